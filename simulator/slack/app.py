"""One installed Slack app: the ids and secrets that Slack and the app share."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class App:
    """An app installed in one workspace. `tenant` is our word for whose app it is; Slack never sees it.

    `org_wide`: installed for the whole `enterprise`, of which `team` and `workspaces` are a part. `scopes`: what
    it was granted; nothing named means everything.
    """

    tenant: str = "acme"
    name: str = "Ada"
    team: str = "T0ACME"
    app: str = "A0ACME"
    bot_user: str = "U0BOT"
    bot: str = "B0BOT"
    bot_token: str = "xoxb-demo-acme"  # noqa: S105 - a made-up token of a made-up workspace
    signing_secret: str = "simulated-signing-secret"  # noqa: S105 - the same
    enterprise: str | None = None
    org_wide: bool = False
    workspaces: tuple[str, ...] = ()
    client_id: str = ""
    client_secret: str = ""
    app_token: str = ""
    scopes: tuple[str, ...] = ()

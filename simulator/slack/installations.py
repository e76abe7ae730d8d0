"""Which apps are installed where, and which tokens speak for them."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from simulator.clock import Clock
from simulator.slack.app import App
from simulator.slack.refusal import Refused

SECRET_FIELDS = frozenset({"bot_token", "signing_secret", "client_secret", "app_token"})


@dataclass(slots=True)
class Grant:
    """What one token is good for. `until` None: for ever; a token that nobody may use names the error."""

    app: App
    until: float | None = None
    error: str = ""


class Installations:
    """All apps with their tokens; what is installed later is there as if it had been from the start."""

    def __init__(self, apps: Iterable[App], clock: Clock) -> None:
        self.apps = list(apps)
        self._clock = clock
        self._grants = {app.bot_token: Grant(app) for app in self.apps}

    def app_of(self, team: str | None) -> App:
        """Return the app installed in the team, as it is there; the first one for None. Raises LookupError."""
        for app in self.apps:
            if team in (None, app.team):
                return app
        for app in self.apps:
            if app.org_wide and team in app.workspaces:
                return replace(app, team=str(team))
        raise LookupError(f"No app is installed in team {team}.")

    def authenticate(self, token: str) -> App:
        """Return the app that the token speaks for; raises Refused."""
        if not token:
            raise Refused("not_authed")
        grant = self._grants.get(token)
        if grant is None:
            raise Refused("invalid_auth")
        if grant.error:
            raise Refused(grant.error)
        if grant.until is not None and grant.until <= self._clock.now():
            raise Refused("token_expired")
        return grant.app

    def install(self, app: App, seconds: float | None = None) -> App:
        """Install the app with a token of its own that lives for so long; return it with that token."""
        kind = "xoxb" if seconds is None else "xoxe.xoxb"
        app = replace(app, bot_token=f"{kind}-{secrets.token_hex(12)}")
        self.apps = [known for known in self.apps if (known.app, known.team) != (app.app, app.team)]
        self.apps.append(app)
        self._grants[app.bot_token] = Grant(app, None if seconds is None else self._clock.now() + seconds)
        return app

    def revoke(self, app: App, error: str = "token_revoked") -> None:
        """Make all tokens of the installation answer with the error from now on."""
        for grant in self._grants.values():
            if (grant.app.app, grant.app.team) == (app.app, app.team):
                grant.error = error

    def revoke_token(self, token: str) -> None:
        """Make one token answer with token_revoked."""
        self._grants[token].error = "token_revoked"

    def uninstall(self, app: App) -> None:
        """Take the app away."""
        self.revoke(app, "account_inactive")
        self.apps = [known for known in self.apps if (known.app, known.team) != (app.app, app.team)]

    def to_json(self) -> list[dict[str, Any]]:
        """List the apps without their secrets."""
        public = [name for name in App.__dataclass_fields__ if name not in SECRET_FIELDS]
        return [{name: getattr(app, name) for name in public} for app in self.apps]

"""The channels, and which connection each describes."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from konstruct.tenant_file.strict import OTHER, Strict, digest


def _kind(given: Any) -> str:
    return "list" if isinstance(given, list | tuple) else "text"


Secret = Annotated[str, Field(min_length=8)]
Secrets = Annotated[tuple[Secret, ...], Field(min_length=1, max_length=2)]
# What signs webhooks: one, or two while the new one takes the place of the old one.
Signing = Annotated[Annotated[Secret, Tag("text")] | Annotated[Secrets, Tag("list")], Discriminator(_kind)]


def _listed(signing: str | tuple[str, ...]) -> tuple[str, ...]:
    return (signing,) if isinstance(signing, str) else signing


def _named(name: str, signing: str | tuple[str, ...]) -> dict[str, str]:
    return dict(zip((name, OTHER + name), _listed(signing), strict=False))


def _signed(signing: str | tuple[str, ...]) -> dict[str, str]:
    """By it `find_channels` answers each secret once, whoever else has it, too."""
    return {"signed_sha256": digest("\n".join(_listed(signing)))}


class SlackEntry(Strict):
    """A Slack app installed in a workspace."""

    team_id: str = Field(min_length=1)
    app_id: str = Field(min_length=1)
    bot_user_id: str = Field(min_length=1)
    bot_token: str = Field(min_length=1, repr=False)
    signing_secret: Signing = Field(repr=False)
    app_token: str | None = Field(default=None, pattern="^xapp-", repr=False)  # Socket Mode instead of webhooks
    agent_view: bool = False  # every direct message begins a thread of its own

    @property
    def connection(self) -> dict[str, Any]:
        """The fields of its ChannelRow."""
        return {
            "kind": "slack",
            "app": self.app_id,
            "team": self.team_id,
            "account": self.bot_user_id,
            "secrets": self._secrets,
            "options": self._options,
        }

    @property
    def _secrets(self) -> dict[str, str]:
        secrets = {"bot_token": self.bot_token} | _named("signing_secret", self.signing_secret)
        return secrets | ({"app_token": self.app_token} if self.app_token else {})

    @property
    def _options(self) -> dict[str, Any]:
        chosen = {"agent_view": self.agent_view, "socket_mode": self.app_token is not None}
        return {name: True for name, wanted in chosen.items() if wanted} | _signed(self.signing_secret)


class TemplateEntry(Strict):
    """What is sent on WhatsApp when nothing else may be; `with_answer`: its body has one parameter, the answer."""

    name: str = Field(pattern=r"^[a-z0-9_]{1,512}$")
    language: str = Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")
    with_answer: bool = False


class WhatsAppEntry(Strict):
    """A business number of the WhatsApp Cloud API; `quote`: answers quote the message that they answer."""

    phone_number_id: str = Field(pattern=r"^[0-9]{1,32}$")
    display_phone_number: str = Field(default="", pattern=r"^\+?[0-9 -]{0,24}$")
    access_token: str = Field(min_length=1, repr=False)
    app_secret: Signing = Field(repr=False)
    verify_token: str = Field(min_length=1, repr=False)
    template: TemplateEntry | None = None
    quote: bool = False

    @property
    def connection(self) -> dict[str, Any]:
        """The fields of its ChannelRow."""
        options: dict[str, Any] = {
            "verify_sha256": digest(self.verify_token),
            "quote": self.quote,
        } | _signed(self.app_secret)
        if self.template is not None:
            options["template"] = self.template.model_dump()
        return {
            "kind": "whatsapp",
            "app": "",
            "team": self.phone_number_id,
            "account": self.display_phone_number or self.phone_number_id,
            "secrets": {
                "access_token": self.access_token,
                "verify_token": self.verify_token,
                **_named("app_secret", self.app_secret),
            },
            "options": options,
        }


class WebEntry(Strict):
    """The web chat of one site: who embeds it, and the secret with which that site signs its visitors."""

    site: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    secret: str = Field(min_length=16, repr=False)
    origins: tuple[Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")], ...] = ()

    @property
    def connection(self) -> dict[str, Any]:
        """The fields of its ChannelRow."""
        named = {"kind": "web", "app": "", "team": self.site, "account": self.site}
        return named | {"secrets": {"signing_secret": self.secret}, "options": {"origins": list(self.origins)}}


class ChannelEntries(Strict):
    """The channels this employee works in."""

    slack: SlackEntry | None = None
    whatsapp: WhatsAppEntry | None = None
    web: WebEntry | None = None

    @property
    def connections(self) -> list[dict[str, Any]]:
        """The fields of every entry's ChannelRow."""
        return [entry.connection for entry in (self.slack, self.whatsapp, self.web) if entry is not None]

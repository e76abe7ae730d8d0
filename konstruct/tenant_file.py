"""The declarative tenant file (`tenant.yaml`), parsed and checked; `${NAME}` reads the environment."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from konstruct import escalation, triage
from konstruct.errors import RuleInvalid, TenantFileInvalid

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
LOCAL = "local/"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PromptEntry(_Strict):
    """What a contact could ask; a text alone is its own title."""

    title: str = Field(min_length=1, max_length=75)
    message: str = Field(min_length=1, max_length=2_000)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"title": value[:75], "message": value} if isinstance(value, str) else value


class EmployeeEntry(_Strict):
    """The AI employee: its model is `local/<id>` or a name from `models`."""

    name: str = Field(min_length=1, max_length=80)
    instructions: str = Field(min_length=1, max_length=20_000)
    model: str = Field(min_length=1)
    fallback_model: str | None = None
    offer_choices: bool = False
    suggested_prompts: tuple[PromptEntry, ...] = Field(default=(), max_length=4)

    @property
    def options(self) -> dict[str, Any]:
        """What is not a column of its own."""
        return self.model_dump(mode="json", exclude={"name", "instructions", "model", "fallback_model"})


class ModelEntry(_Strict):
    """A hosted model: any LiteLLM model string, with the tenant's own key."""

    name: str = Field(min_length=1)
    litellm: str = Field(min_length=1)
    api_base: str | None = None
    api_key: str | None = Field(default=None, repr=False)
    vision: bool = False  # it may be given pictures
    transcription: bool = False  # it writes down recordings, and answers nobody


class SlackEntry(_Strict):
    """A Slack app installed in a workspace."""

    team_id: str = Field(min_length=1)
    app_id: str = Field(min_length=1)
    bot_user_id: str = Field(min_length=1)
    bot_token: str = Field(min_length=1, repr=False)
    signing_secret: str = Field(min_length=8, repr=False)
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
        secrets = {"bot_token": self.bot_token, "signing_secret": self.signing_secret}
        return secrets | ({"app_token": self.app_token} if self.app_token else {})

    @property
    def _options(self) -> dict[str, bool]:
        chosen = {"agent_view": self.agent_view, "socket_mode": self.app_token is not None}
        return {name: True for name, wanted in chosen.items() if wanted}


class TemplateEntry(_Strict):
    """What is sent on WhatsApp when nothing else may be; `with_answer`: its body has one parameter, the answer."""

    name: str = Field(pattern=r"^[a-z0-9_]{1,512}$")
    language: str = Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")
    with_answer: bool = False


class WhatsAppEntry(_Strict):
    """A business number of the WhatsApp Cloud API; `quote`: answers quote the message that they answer."""

    phone_number_id: str = Field(pattern=r"^[0-9]{1,32}$")
    display_phone_number: str = Field(default="", pattern=r"^\+?[0-9 -]{0,24}$")
    access_token: str = Field(min_length=1, repr=False)
    app_secret: str = Field(min_length=8, repr=False)
    verify_token: str = Field(min_length=8, repr=False)
    template: TemplateEntry | None = None
    quote: bool = False

    @property
    def connection(self) -> dict[str, Any]:
        """The fields of its ChannelRow."""
        options: dict[str, Any] = {
            "verify_sha256": digest(self.verify_token),
            "signed_sha256": digest(self.app_secret),
            "quote": self.quote,
        }
        if self.template is not None:
            options["template"] = self.template.model_dump()
        return {
            "kind": "whatsapp",
            "app": "",
            "team": self.phone_number_id,
            "account": self.display_phone_number or self.phone_number_id,
            "secrets": {
                "access_token": self.access_token,
                "app_secret": self.app_secret,
                "verify_token": self.verify_token,
            },
            "options": options,
        }


class WebEntry(_Strict):
    """The web chat of one site: who embeds it, and the secret with which that site signs its visitors."""

    site: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    secret: str = Field(min_length=16, repr=False)
    origins: tuple[Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")], ...] = ()

    @property
    def connection(self) -> dict[str, Any]:
        """The fields of its ChannelRow."""
        named = {"kind": "web", "app": "", "team": self.site, "account": self.site}
        return named | {"secrets": {"signing_secret": self.secret}, "options": {"origins": list(self.origins)}}


class ChannelEntries(_Strict):
    """The channels this employee works in."""

    slack: SlackEntry | None = None
    whatsapp: WhatsAppEntry | None = None
    web: WebEntry | None = None

    @property
    def connections(self) -> list[dict[str, Any]]:
        """The fields of every entry's ChannelRow."""
        return [entry.connection for entry in (self.slack, self.whatsapp, self.web) if entry is not None]


class EscalationEntry(_Strict):
    """When a human must take over, what the contact is told then, and when the employee goes on by itself."""

    rules: tuple[str, ...] = Field(default=(), max_length=50)
    message: str = Field(default=triage.HANDED_OVER, min_length=1, max_length=1000)
    web_message: str | None = Field(default=None, min_length=1, max_length=1000)
    resume_after_minutes: int = Field(default=240, ge=1, le=43_200)


class OperatorEntry(_Strict):
    """Where the humans are who take over."""

    slack_channel: str | None = Field(default=None, pattern=r"^[CG][A-Z0-9]{2,20}$")


class TenantFile(_Strict):
    """One tenant, as an operator describes it."""

    tenant: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    quiet_seconds: float = Field(default=0.0, ge=0, le=60)
    employee: EmployeeEntry
    models: tuple[ModelEntry, ...] = ()
    channels: ChannelEntries = ChannelEntries()
    escalation: EscalationEntry = EscalationEntry()
    operators: OperatorEntry = OperatorEntry()


def parse(text: str, environment: Mapping[str, str]) -> TenantFile:
    """Parse and check; raises TenantFileInvalid that names the field, what is wrong and what to do."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TenantFileInvalid(f"The tenant file is not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise TenantFileInvalid("The tenant file must be a mapping that begins with `tenant: <name>`.")
    try:
        tenant_file = TenantFile.model_validate(_filled(raw, environment, ""))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise TenantFileInvalid(f"The tenant file cannot be used: {problems}.") from None
    _check_models(tenant_file)
    _check_rules(tenant_file)
    return tenant_file


def digest(secret: str) -> str:
    """What a secret is looked up by, so that it need not be readable."""
    return sha256(secret.encode("utf-8", "replace")).hexdigest()


def _filled(value: Any, environment: Mapping[str, str], place: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, environment, f"{place}.{key}".lstrip(".")) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, environment, f"{place}[{n}]") for n, inner in enumerate(value)]
    if not isinstance(value, str):
        return value

    def look_up(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise TenantFileInvalid(f"{place} needs the environment variable {match[1]}, which is not set.")
        return environment[match[1]]

    return _VARIABLE.sub(look_up, value)


def _check_models(tenant_file: TenantFile) -> None:
    names = [model.name for model in tenant_file.models]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise TenantFileInvalid(f"models: the name {doubled[0]} is given twice; names must differ.")
    scribes = {model.name for model in tenant_file.models if model.transcription}
    for field in ("model", "fallback_model"):
        wanted = getattr(tenant_file.employee, field)
        if wanted in scribes:
            raise TenantFileInvalid(f"employee.{field} is {wanted}, which only transcribes; name one that answers.")
        if wanted and not wanted.startswith(LOCAL) and wanted not in names:
            known = ", ".join([*names, "local/smollm2"])
            raise TenantFileInvalid(f"employee.{field} is {wanted}, which is not among the models: {known}.")


def _check_rules(tenant_file: TenantFile) -> None:
    for number, rule in enumerate(tenant_file.escalation.rules):
        try:
            escalation.parse(rule)
        except RuleInvalid as invalid:
            raise TenantFileInvalid(f"escalation.rules.{number}: {invalid}") from None

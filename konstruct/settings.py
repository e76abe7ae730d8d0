"""Everything an operator can set, read from `KONSTRUCT_…` variables; secrets also from `KONSTRUCT_…_FILE`."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from konstruct.errors import SettingsInvalid

T = TypeVar("T")
PREFIX = "KONSTRUCT_"
HERE = {("http", host) for host in ("localhost", "127.0.0.1", "::1")}
# Nothing else keeps anybody from guessing it: `konstruct doctor` warns of one that is shorter than it should be.
LEAST_TOKEN_CHARACTERS = 8
SAFE_TOKEN_CHARACTERS = 24
# With the version of the API that ours is tested with.
GRAPH_API_URL = "https://graph.facebook.com/v25.0/"
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """One installation's settings. Slack's and WhatsApp's URLs end with a slash, ours without; sizes are bytes."""

    home: Path
    database_url: str | None = field(repr=False)
    http_port: int
    dashboard_port: int
    master_keys: tuple[str, ...] = field(repr=False)
    admin_token: str | None = field(repr=False)
    public_url: str
    slack_api_url: str
    slack_app_id: str
    slack_client_id: str
    slack_client_secret: str | None = field(repr=False)
    slack_signing_secret: tuple[str, ...] = field(repr=False)
    whatsapp_api_url: str
    stripe_api_url: str
    stripe_secret_key: str | None = field(repr=False)
    stripe_webhook_secrets: tuple[str, ...] = field(repr=False)
    billing_grace_hours: int
    local_model: bool
    local_model_url: str
    conversation_hosts: int
    database_connections: int
    answers_per_minute: int | None
    answers_at_once: int | None
    contact_messages_per_minute: int | None
    log_level: str
    media_url: str
    media_endpoint: str
    media_region: str
    media_access_key: str | None = field(repr=False)
    media_secret_key: str | None = field(repr=False)
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str | None = field(repr=False)
    version_hash: str
    prices_file: str
    failpoints: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the environment; raises SettingsInvalid naming the variable and what it should be."""
        read = _Reader(os.environ if environment is None else environment)
        port, dashboard_port = _ports(read)
        return cls(
            home=Path(read.text("HOME", "~/.konstruct")).expanduser().absolute(),
            database_url=read.secret("DATABASE_URL"),
            http_port=port,
            dashboard_port=dashboard_port,
            master_keys=split(read.secret("MASTER_KEYS") or ""),
            admin_token=read.long_secret("ADMIN_TOKEN", LEAST_TOKEN_CHARACTERS),
            public_url=read.root("PUBLIC_URL", f"http://127.0.0.1:{port}"),
            slack_api_url=read.root("SLACK_API_URL", "https://slack.com/api") + "/",
            slack_app_id=read.text("SLACK_APP_ID", ""),
            slack_client_id=read.text("SLACK_CLIENT_ID", ""),
            slack_client_secret=read.secret("SLACK_CLIENT_SECRET"),
            slack_signing_secret=split(read.secret("SLACK_SIGNING_SECRET") or ""),
            whatsapp_api_url=read.root("WHATSAPP_API_URL", GRAPH_API_URL) + "/",
            stripe_api_url=read.root("STRIPE_API_URL", "https://api.stripe.com"),
            stripe_secret_key=read.secret("STRIPE_SECRET_KEY"),
            stripe_webhook_secrets=split(read.secret("STRIPE_WEBHOOK_SECRETS") or ""),
            billing_grace_hours=read.number("BILLING_GRACE_HOURS", 168, lowest=0, highest=8784),
            local_model=read.switch("LOCAL_MODEL", default=True),
            local_model_url=read.root("LOCAL_MODEL_URL", f"http://127.0.0.1:{port}/models/v1"),
            conversation_hosts=read.number("CONVERSATION_HOSTS", 2, lowest=1, highest=1024),
            database_connections=read.number("DATABASE_CONNECTIONS", 4, lowest=1, highest=200),
            answers_per_minute=read.limit("ANSWERS_PER_MINUTE"),
            answers_at_once=read.limit("ANSWERS_AT_ONCE"),
            contact_messages_per_minute=read.limit("CONTACT_MESSAGES_PER_MINUTE"),
            log_level=read.one_of("LOG_LEVEL", LOG_LEVELS, "info"),
            version_hash=read.text("VERSION_HASH", "development"),
            prices_file=read.text("PRICES_FILE", ""),
            failpoints=read.switch("FAILPOINTS", default=False),
            **_media(read),
            **_login(read),
        )


def _ports(read: "_Reader") -> tuple[int, int]:
    http = read.number("HTTP_PORT", 8000, lowest=1, highest=65535)
    dashboard = read.number("DASHBOARD_PORT", 8265, lowest=1, highest=65535)
    if http == dashboard:
        raise SettingsInvalid(
            f"{PREFIX}HTTP_PORT and {PREFIX}DASHBOARD_PORT are both {http}; set one of them to another port."
        )
    return http, dashboard


def _media(read: "_Reader") -> dict[str, Any]:
    return {
        "media_url": read.text("MEDIA_URL", ""),
        "media_endpoint": read.text("MEDIA_ENDPOINT", ""),
        "media_region": read.text("MEDIA_REGION", "us-east-1"),
        "media_access_key": read.secret("MEDIA_ACCESS_KEY"),
        "media_secret_key": read.secret("MEDIA_SECRET_KEY"),
    }


def _login(read: "_Reader") -> dict[str, Any]:
    return {
        "oidc_issuer": read.address("OIDC_ISSUER"),
        "oidc_client_id": read.text("OIDC_CLIENT_ID", ""),
        "oidc_client_secret": read.secret("OIDC_CLIENT_SECRET"),
    }


def split(listed: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(filter(None, map(str.strip, listed.split(","))))


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str) -> str:
        return self._environment.get(PREFIX + name) or default

    def root(self, name: str, default: str) -> str:
        """A URL that paths are appended to, without the slash at its end that people may write or leave out."""
        return self.text(name, default).rstrip("/")

    def secret(self, name: str) -> str | None:
        path = self._environment.get(f"{PREFIX}{name}_FILE")
        if path and not self._environment.get(PREFIX + name):
            try:
                return Path(path).read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
                message = f"{PREFIX}{name}_FILE names {path}, which cannot be read: {why}."
                raise SettingsInvalid(message) from error
        return self._environment.get(PREFIX + name) or None

    def long_secret(self, name: str, lowest: int) -> str | None:
        found = self.secret(name)
        if found is not None and len(found) < lowest:
            raise SettingsInvalid(
                f"{PREFIX}{name} has {len(found)} characters and could be guessed, but must have at least {lowest}; "
                "`openssl rand -hex 32` makes one."
            )
        return found

    def address(self, name: str) -> str:
        """An address that secrets are sent to: https, or this machine."""

        def parse(raw: str) -> str:
            parts = urlsplit(raw)
            if not parts.hostname or (parts.scheme != "https" and (parts.scheme, parts.hostname) not in HERE):
                raise ValueError
            return raw

        return self._parse(name, parse, "", "an address that begins with https:// (http:// only on this machine)")

    def number(self, name: str, default: int, *, lowest: int, highest: int) -> int:
        def parse(raw: str) -> int:
            value = int(raw)
            if not lowest <= value <= highest:
                raise ValueError
            return value

        return self._parse(name, parse, default, f"a whole number from {lowest} to {highest}")

    def limit(self, name: str) -> int | None:
        return self.number(name, 0, lowest=1, highest=1_000_000) or None

    def switch(self, name: str, *, default: bool) -> bool:
        return self.one_of(name, ("on", "off"), "on" if default else "off") == "on"

    def one_of(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        def parse(raw: str) -> str:
            if raw.lower() not in allowed:
                raise ValueError
            return raw.lower()

        return self._parse(name, parse, default, f"one of {', '.join(allowed)}")

    def _parse(self, name: str, parse: Callable[[str], T], default: T, wanted: str) -> T:
        raw = self._environment.get(PREFIX + name)
        if not raw:
            return default
        try:
            return parse(raw)
        except ValueError:
            raise SettingsInvalid(f"{PREFIX}{name} is {raw!r}, but must be {wanted}.") from None

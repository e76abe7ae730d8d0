"""JSON logs: a line per event with tenant, conversation, turn and request id; message text only at debug."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET_NAMES = ("token", "secret", "key", "password", "authorization")
# Also in sentences and tracebacks: Slack's tokens, model providers' keys, Stripe's keys and signing secrets, tokens and
# sessions of the operators' API, bearers, passwords in URLs.
_SECRETS = re.compile(
    r"xox[a-z]-[\w-]+|\bsk-[\w-]{8,}|(?<![A-Za-z0-9])(?:[sr]k_(?:live|test)|whsec|kt|kss)_[\w-]{8,}"
    r"|(?<=Bearer )\S+|(?<=://)[^\s/@]+(?=@)"
)
_HIDDEN = "(hidden)"


def configure(level: str) -> None:
    """Send structured events as JSON lines to standard error. `level`: debug, info, warning or error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _hide_secrets,
            structlog.processors.JSONRenderer(default=lambda value: _without_secrets(str(value))),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    return {name: _shown(name, value) for name, value in event.items()}


def _shown(name: str, value: Any) -> Any:
    if any(secret in name.lower() for secret in SECRET_NAMES):
        return _HIDDEN
    if isinstance(value, dict):
        return {inner: _shown(str(inner), kept) for inner, kept in value.items()}
    if isinstance(value, list | tuple):
        return [_shown("", kept) for kept in value]
    return _without_secrets(value) if isinstance(value, str) else value


def _without_secrets(text: str) -> str:
    return _SECRETS.sub(_HIDDEN, text)

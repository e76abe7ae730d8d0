"""JSON logs: one line per event with tenant, conversation, turn and request id; message text only at debug."""

import logging
import sys
from typing import Any

import structlog

SECRET_NAMES = ("token", "secret", "key", "password", "authorization")


def configure(level: str) -> None:
    """Send structured events as JSON lines to standard error. `level`: debug, info, warning or error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _hide_secrets,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _hide_secrets(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    for name in event:
        if any(secret in name.lower() for secret in SECRET_NAMES):
            event[name] = "(hidden)"
    return event

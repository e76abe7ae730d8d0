"""Values out of a payload that nobody vouches for, made safe to store: well-formed text, short ids, or nothing."""

import re
from typing import Any

# Slack's ids have some 12 characters; longer ones would fit no index, and are remembered before they are verified.
MAX_ID_CHARS = 64
MAX_TEXT_CHARS = 40_000

# PostgreSQL stores neither NUL nor lone surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NOTHING: dict[str, Any] = {}


def identifier(value: Any) -> str:
    """An id, "" where it is none or of absurd length."""
    text = plain(value)
    return text if len(text) <= MAX_ID_CHARS else ""


def plain(value: Any) -> str:
    """Text, cut to what a message may hold; "" where it is none."""
    return _UNSTORABLE.sub("\ufffd", value[:MAX_TEXT_CHARS]) if isinstance(value, str) else ""


def mapping(value: Any) -> dict[str, Any]:
    """A JSON object, empty where it is none."""
    return value if isinstance(value, dict) else _NOTHING


def listed(value: Any) -> list[dict[str, Any]]:
    """The JSON objects of a list, none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def named(value: Any) -> str:
    """A value as it may stand in a log line."""
    return repr(value[:80]) if isinstance(value, str) else f"of type {type(value).__name__}"

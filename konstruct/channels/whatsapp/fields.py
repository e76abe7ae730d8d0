"""Values out of JSON that anybody may have written: what has the wrong type or size reads as empty."""

import re
from decimal import Decimal
from typing import Any

# A wamid has some 60 characters, other ids fewer; longer ones would fit no index.
MAX_ID_CHARS = 256
MAX_TEXT_CHARS = 40_000
MAX_DETAIL_CHARS = 1_000

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def text(value: Any, limit: int = MAX_TEXT_CHARS) -> str:
    """Text without outer blanks, of at most `limit` characters, as PostgreSQL and JSON will take it."""
    return _UNSTORABLE.sub("\ufffd", value[: 2 * limit]).strip()[:limit] if isinstance(value, str) else ""


def detail(value: Any) -> str:
    """One line of a longer rendering; numbers count as text."""
    if isinstance(value, Decimal):
        return str(value)[:MAX_ID_CHARS]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**30 else ""
    return " ".join(text(value, MAX_DETAIL_CHARS).split())


def identity(value: Any) -> str:
    """An id, or nothing if it is too long to be one."""
    if not isinstance(value, str) or len(value) > MAX_ID_CHARS:
        return ""
    return text(value)


def phone(value: Any) -> str:
    """A phone number's digits."""
    digits = identity(value).lstrip("+").replace(" ", "").replace("-", "")
    return digits if digits.isascii() and digits.isdigit() else ""


def mapping(value: Any) -> dict[str, Any]:
    """A JSON object."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """The objects of a JSON array."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def moment(value: Any) -> float:
    """Unix seconds; 0 if it is none."""
    digits = detail(value)
    return float(digits) if digits.isascii() and digits.isdigit() and len(digits) < 12 else 0.0

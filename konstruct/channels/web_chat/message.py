"""What a visitor's browser sends."""

import json
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

MAX_TEXT_CHARS = 8_000

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Message:
    """A visitor said something; `id` is the browser's, the same however often it is sent."""

    id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Not what the page sends."""

    reason: str


def parse(body: bytes) -> Message | Unreadable:
    """Parse a request body. Never raises."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return Unreadable("The body is not JSON.")
    if not isinstance(found, dict):
        return Unreadable("The body is not a JSON object.")
    id_, text = _uuid(found.get("id")), found.get("text")
    if id_ is None:
        return Unreadable("id must be a UUID.")
    if not isinstance(text, str) or not text.strip():
        return Unreadable("text must be a text that is not blank.")
    if len(text) > MAX_TEXT_CHARS:
        return Unreadable(f"text has more than {MAX_TEXT_CHARS} characters.")
    return Message(id_, _UNSTORABLE.sub("\ufffd", text).strip())


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) and len(value) == 36 else None
    except ValueError:
        return None

"""How Slack reads a call's arguments: query, form or JSON, all loosely typed."""

from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

STRUCTURED = ("metadata", "blocks", "attachments", "loading_messages", "chunks")


async def read_arguments(request: web.Request) -> dict[str, Any]:
    """Return the call's arguments; raises ValueError where the body is not what its content type says."""
    arguments: dict[str, Any] = dict(request.query) if request.query_string else {}
    body = await request.read()
    if body and request.content_type == "application/json":
        parsed = orjson.loads(body)
        if not isinstance(parsed, dict):
            raise ValueError("The body is not a JSON object.")
        arguments |= parsed
    elif body:
        arguments |= parse_qsl(body.decode(), keep_blank_values=True)
    for name in STRUCTURED:
        if isinstance(arguments.get(name), str) and arguments[name]:
            arguments[name] = orjson.loads(arguments[name])
    return arguments


def text_of(arguments: dict[str, Any], name: str) -> str:
    """Return the argument as text, "" where it is missing."""
    value = arguments.get(name)
    return "" if value is None else str(value)


def number_of(arguments: dict[str, Any], name: str, default: int) -> int:
    """Return the argument as a whole number, the default where it is missing; raises ValueError."""
    value = arguments.get(name)
    return default if value in (None, "") else int(str(value))


def is_true(arguments: dict[str, Any], name: str) -> bool:
    """Tell whether the argument says yes in one of Slack's ways."""
    return text_of(arguments, name).lower() in ("1", "true")

"""A request's body, read whole, but never more of it than is allowed."""

from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.types import Receive


async def read(headers: Mapping[str, str], receive: Receive, limit: int) -> bytes | None:
    """The body; None where it is over `limit` bytes, announced or not. Raises ClientDisconnect."""
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        return None
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)

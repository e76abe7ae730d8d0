"""Messages on their way to a host, as bytes: a pickle of records would cost both sides several times as much."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson

from konstruct.messages import Address, Attachment, Heard


def packed(messages: Sequence[Heard]) -> bytes:
    """For `unpacked`."""
    return orjson.dumps(messages, default=str)  # asyncpg has a UUID of its own


def unpacked(parcel: bytes) -> list[Heard]:
    """The messages again."""
    return [_heard(row) for row in orjson.loads(parcel)]


def _heard(row: dict[str, Any]) -> Heard:
    row["tenant"], row["conversation"] = UUID(row["tenant"]), UUID(row["conversation"])
    row["address"] = Address(**row["address"])
    row["attachments"] = tuple(Attachment(**attachment) for attachment in row["attachments"])
    row["files"] = tuple(row["files"])
    return Heard(**row)

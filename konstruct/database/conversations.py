"""Conversations as operators read them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from konstruct.database.pool import TenantConnection


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """One conversation; paused_… only while it is."""

    id: UUID
    channel: str
    address: dict[str, Any]
    turns: int
    created_at: datetime
    active_at: datetime
    paused_reason: str | None
    paused_at: datetime | None
    paused_until: datetime | None


@dataclass(frozen=True, slots=True)
class MessageRow:
    """Something that was said; `contact` is what the channel calls the person."""

    id: int
    turn_id: UUID
    role: str
    text: str
    created_at: datetime
    contact: str | None
    files: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which conversations; `said`: words that were said in them, in any case."""

    channel: str | None = None
    paused: bool = False
    said: str | None = None


async def conversations(
    connection: TenantConnection, wanted: Wanted, limit: int, after: tuple[datetime, UUID] | None
) -> list[ConversationRow]:
    """The liveliest first; `after`: when the last known one was active, and its id."""
    at, id_ = after or (None, None)
    rows = await connection.run(
        "conversations_of_tenant", channel=wanted.channel, only_paused=wanted.paused,
        pattern=_containing(wanted.said) if wanted.said else None, at=at, before_id=id_, limit=limit,
    )  # fmt: skip
    return [ConversationRow(**dict(row)) for row in rows]


async def conversation(connection: TenantConnection, id_: UUID) -> ConversationRow | None:
    """One conversation, None where there is none such."""
    row = await connection.run("conversation_of_tenant", conversation=id_)
    return ConversationRow(**dict(row)) if row else None


async def history(connection: TenantConnection, id_: UUID, limit: int, before: int | None) -> list[MessageRow]:
    """What was said, newest first; `before`: the id of the last message known."""
    rows = await connection.run("history", conversation=id_, limit=limit, before_message=before)
    return [MessageRow(**dict(row)) for row in rows]


def _containing(words: str) -> str:
    escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"

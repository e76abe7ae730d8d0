"""What was set aside: messages whose turn crashed, replies that the channel refused. Never their text."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from konstruct.database.pool import TenantConnection
from konstruct.identity import turn_id

Kind = Literal["message", "reply"]
LARGEST_ID = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One of them."""

    kind: Kind
    id: str
    conversation_id: UUID
    channel: str
    error: str | None
    attempts: int
    at: datetime


async def dead_letters(
    connection: TenantConnection, limit: int, after: tuple[datetime, str, str] | None
) -> list[DeadLetter]:
    """The tenant's, newest first; `after`: the time, kind and id of the last one known."""
    at, kind, id_ = after or (None, "", "")
    rows = await connection.run("dead_letters_of_tenant", limit=limit, at=at, kind=kind, position=id_)
    return [DeadLetter(**dict(row)) for row in rows]


async def retry(connection: TenantConnection, kind: Kind, id_: str) -> bool:
    """Try it again; false where there is none such, or it is none any more."""
    if kind == "reply":
        reply = _uuid(id_)
        tried = reply and await connection.run("retry_reply", tenant=connection.tenant, reply=reply, again_as=uuid4())
        return bool(tried)
    inbox = _number(id_)
    conversation = inbox and await connection.run("dead_message", inbox_id=inbox)
    if not conversation:
        return False
    turn = turn_id(connection.tenant, conversation["conversation_id"], inbox or 0)
    return bool(await connection.run("retry_message", tenant=connection.tenant, inbox_id=inbox, turn=turn))


async def discard(connection: TenantConnection, kind: Kind, id_: str) -> bool:
    """Give it up; false where there is none such, or it is none any more."""
    if kind == "reply":
        reply = _uuid(id_)
        return bool(reply and await connection.run("discard_reply", reply=reply))
    inbox = _number(id_)
    return bool(inbox and await connection.run("discard_message", inbox_id=inbox))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LARGEST_ID else None

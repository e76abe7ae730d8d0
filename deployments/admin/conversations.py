"""`/conversations`: read, searched, paused and resumed."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deployments.admin.access import Asking, OperatorChanging, Viewing
from deployments.admin.once import once
from deployments.admin.page import After, Limit, Page, opened, seal
from deployments.admin.problem import NotHere
from konstruct.database import amendments
from konstruct.database import conversations as stored
from konstruct.database.pool import TenantConnection

router = APIRouter(prefix="/tenants/{tenant}/conversations", tags=["conversations"])

Said = Annotated[str | None, Query(min_length=2, max_length=200, description="Words that were said, in any case.")]
Kind = Annotated[Literal["slack", "whatsapp", "web"] | None, Query(description="Only of this channel.")]


class Conversation(BaseModel):
    """One conversation."""

    id: UUID
    channel: str
    address: dict[str, Any] = Field(description="Where it is, as the channel says it.")
    turns: int
    created_at: datetime
    active_at: datetime = Field(description="When its last turn was.")
    paused_reason: str | None = Field(description="Why the employee is silent; null where it answers.")
    paused_at: datetime | None = Field(description="Since when.")
    paused_until: datetime | None


class Message(BaseModel):
    """Something that was said."""

    id: int
    turn_id: UUID
    role: Literal["contact", "employee", "operator"]
    text: str
    created_at: datetime
    contact: str | None = Field(description="What the channel calls the person.")
    files: int = Field(description="How many came with it.")


class Pause(BaseModel):
    """How long the employee is to be silent."""

    model_config = ConfigDict(extra="forbid")

    minutes: int = Field(240, ge=1, le=43_200)
    reason: str = Field("paused by an operator", min_length=1, max_length=200)


@router.get("")
async def list_conversations(
    access: Asking, said: Said = None, channel: Kind = None, *, paused: bool = False, limit: Limit = 50,
    cursor: After = None,
) -> Page[Conversation]:  # fmt: skip
    """The liveliest first. Whatever becomes lively while you turn pages moves to the first one."""
    listed = f"conversations {said} {channel} {paused}"
    position = opened(access.parts.vault, access.tenant, listed, cursor)
    after = (datetime.fromisoformat(position[0]), UUID(position[1])) if position else None
    async with access.transaction() as connection:
        wanted = stored.Wanted(channel, paused, said)
        found = await stored.conversations(connection, wanted, limit + 1, after)
    items = [Conversation.model_validate(asdict(row)) for row in found[:limit]]
    more = None
    if len(found) > limit:
        last = [items[-1].active_at.isoformat(), str(items[-1].id)]
        more = seal(access.parts.vault, access.tenant, listed, last)
    return Page(items=items, next_cursor=more)


@router.get("/{conversation_id}", response_model=Conversation)
async def read_conversation(conversation_id: UUID, access: Viewing) -> Response:
    """One conversation."""
    async with access.transaction() as connection:
        found = await _found(connection, conversation_id)
    return access.show(found)


@router.get("/{conversation_id}/messages")
async def list_messages(
    conversation_id: UUID, access: Asking, limit: Limit = 50, cursor: After = None
) -> Page[Message]:
    """What was said, newest first."""
    listed = f"messages {conversation_id}"
    position = opened(access.parts.vault, access.tenant, listed, cursor)
    async with access.transaction() as connection:
        await _found(connection, conversation_id)
        found = await stored.history(connection, conversation_id, limit + 1, position[0] if position else None)
    items = [Message.model_validate(asdict(row)) for row in found[:limit]]
    more = seal(access.parts.vault, access.tenant, listed, [items[-1].id]) if len(found) > limit else None
    return Page(items=items, next_cursor=more)


@router.post("/{conversation_id}/pause", response_model=Conversation)
async def pause_conversation(conversation_id: UUID, wanted: Pause, access: OperatorChanging) -> Response:
    """Silence the employee: an operator speaks there."""

    async def effect(connection: TenantConnection) -> Conversation:
        access.check_match(await _found(connection, conversation_id))
        await amendments.pause(connection, connection.tenant, conversation_id, wanted.reason, wanted.minutes * 60.0)
        return await _found(connection, conversation_id)

    return await once(access, effect)


@router.post("/{conversation_id}/resume", response_model=Conversation)
async def resume_conversation(conversation_id: UUID, access: OperatorChanging) -> Response:
    """Let the employee speak again."""

    async def effect(connection: TenantConnection) -> Conversation:
        access.check_match(await _found(connection, conversation_id))
        await amendments.resume(connection, connection.tenant, conversation_id)
        return await _found(connection, conversation_id)

    return await once(access, effect)


async def _found(connection: TenantConnection, id_: UUID) -> Conversation:
    row = await stored.conversation(connection, id_)
    if row is None:
        raise NotHere
    return Conversation.model_validate(asdict(row))

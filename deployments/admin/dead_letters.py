"""`/dead-letters`: what was set aside, to be tried again or given up."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel
from starlette.responses import Response

from deployments.admin.access import Asking, Operating
from deployments.admin.once import once
from deployments.admin.page import After, Limit, Page, opened, seal
from deployments.admin.problem import NotHere
from konstruct.database import dead_letters
from konstruct.database.pool import TenantConnection

router = APIRouter(prefix="/tenants/{tenant}/dead-letters", tags=["dead letters"])

Kind = Literal["message", "reply"]
Id = Annotated[str, Path(max_length=40)]


class DeadLetter(BaseModel):
    """A message whose turn crashed again and again, or a reply that the channel refused. Never its text."""

    kind: Kind
    id: str
    conversation_id: UUID
    channel: str
    error: str | None
    attempts: int
    at: datetime


@router.get("")
async def list_dead_letters(access: Asking, limit: Limit = 50, cursor: After = None) -> Page[DeadLetter]:
    """The newest first."""
    position = opened(access.parts.vault, access.tenant, "dead letters", cursor)
    after = (datetime.fromisoformat(position[0]), position[1], position[2]) if position else None
    async with access.transaction() as connection:
        found = await dead_letters.dead_letters(connection, limit + 1, after)
    items = [DeadLetter.model_validate(asdict(letter)) for letter in found[:limit]]
    more = None
    if len(found) > limit:
        last = items[-1]
        more = seal(access.parts.vault, access.tenant, "dead letters", [last.at.isoformat(), last.kind, last.id])
    return Page(items=items, next_cursor=more)


@router.post("/{kind}/{id}/retry", status_code=204)
async def retry_dead_letter(kind: Kind, id: Id, access: Operating) -> Response:  # noqa: A002 - its name in the path
    """Try it again: a message is answered as if it had come now, a reply is sent again."""

    async def effect(connection: TenantConnection) -> None:
        if not await dead_letters.retry(connection, kind, id):
            raise NotHere

    return await once(access, effect)


@router.post("/{kind}/{id}/discard", status_code=204)
async def discard_dead_letter(kind: Kind, id: Id, access: Operating) -> Response:  # noqa: A002 - see above
    """Give it up: a message stays without an answer, a reply unsent."""

    async def effect(connection: TenantConnection) -> None:
        if not await dead_letters.discard(connection, kind, id):
            raise NotHere

    return await once(access, effect)

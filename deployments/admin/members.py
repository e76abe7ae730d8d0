"""`/tenants/{tenant}/members`: people who may log in, by verified e-mail address, and what they may do."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from deployments.admin.access import OwnerAsking, Owning
from deployments.admin.once import once
from deployments.admin.page import After, Limit, Page, opened, seal
from deployments.admin.problem import NotHere
from konstruct.database import members
from konstruct.database.pool import TenantConnection

router = APIRouter(prefix="/tenants/{tenant}/members", tags=["members"])
EMAIL = r"^[a-zA-Z0-9.!#$&'*+=?^_`{|}~-]{1,64}@[a-zA-Z0-9.-]{1,190}$"
Email = Annotated[str, Path(pattern=EMAIL, description="As the identity provider verified it; case does not matter.")]


class MemberRole(StrEnum):
    """What somebody may do."""

    viewer = "viewer"
    operator = "operator"
    owner = "owner"


class Member(BaseModel):
    """Somebody who may log in."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    role: MemberRole
    created_at: datetime


class Wanted(BaseModel):
    """What somebody may do from now on."""

    model_config = ConfigDict(extra="forbid")

    role: MemberRole


@router.get("")
async def list_members(access: OwnerAsking, limit: Limit = 50, cursor: After = None) -> Page[Member]:
    """Who may log in."""
    after = opened(access.parts.vault, access.tenant, "members", cursor)
    async with access.transaction() as connection:
        found = await members.members(connection, after[0] if after else None, limit + 1)
    more = seal(access.parts.vault, access.tenant, "members", [found[limit - 1].email]) if len(found) > limit else None
    return Page(items=[Member.model_validate(one) for one in found[:limit]], next_cursor=more)


@router.put("/{email}", response_model=Member)
async def save_member(access: Owning, email: Email, wanted: Wanted) -> Response:
    """Let somebody log in, or change what they may do."""

    async def effect(connection: TenantConnection) -> Member:
        return Member.model_validate(await members.save_member(connection, email, wanted.role))

    return await once(access, effect)


@router.delete("/{email}", status_code=204)
async def drop_member(access: Owning, email: Email) -> Response:
    """Let somebody in no more; their sessions end at once."""

    async def effect(connection: TenantConnection) -> None:
        if not await members.drop_member(connection, email):
            raise NotHere

    return await once(access, effect)


@router.delete("/{email}/sessions", status_code=204)
async def end_sessions(access: Owning, email: Email) -> Response:
    """Log somebody out everywhere; they may log in again."""

    async def effect(connection: TenantConnection) -> None:
        if not await members.end_sessions(connection, email):
            raise NotHere

    return await once(access, effect)

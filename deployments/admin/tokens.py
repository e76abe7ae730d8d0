"""`/tokens`: who may use this API for one tenant, as what, and until when."""

from dataclasses import asdict
from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deployments.admin.access import OwnerAsking, Owning
from deployments.admin.once import once
from deployments.admin.page import Page
from deployments.admin.problem import NotHere
from konstruct.database import api_tokens
from konstruct.database.pool import TenantConnection

router = APIRouter(prefix="/tenants/{tenant}/tokens", tags=["tokens"])

RoleName = Literal["viewer", "operator", "owner"]


class NewToken(BaseModel):
    """What a token is for, and for how long."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, description="So that you know it again.")
    role: RoleName
    expires_in_days: int = Field(90, ge=1, le=366)


class Token(BaseModel):
    """A token as it is listed."""

    id: UUID
    name: str
    role: RoleName
    created_by: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = Field(description="To five minutes.")


class MadeToken(Token):
    """A token as it is shown once."""

    token: str = Field(description="Shown now and never again; what is kept does not give it back.")


@router.get("")
async def list_tokens(access: OwnerAsking) -> Page[Token]:
    """All tokens of the tenant, also expired ones."""
    async with access.transaction() as connection:
        found = await api_tokens.tokens(connection)
    return Page(items=[Token.model_validate(asdict(token)) for token in found], next_cursor=None)


@router.post("", status_code=201, response_model=MadeToken)
async def make_token(wanted: NewToken, access: Owning) -> Response:
    """Make a token."""

    async def effect(connection: TenantConnection) -> MadeToken:
        token, made = await api_tokens.make(
            connection, wanted.name, wanted.role, access.principal.actor, wanted.expires_in_days
        )
        return MadeToken.model_validate({**asdict(made), "token": token})

    return await once(access, effect, 201)


@router.delete("/{token_id}", status_code=204)
async def revoke_token(token_id: UUID, access: Owning) -> Response:
    """End a token: its next request is refused."""

    async def effect(connection: TenantConnection) -> None:
        if not await api_tokens.revoke(connection, token_id):
            raise NotHere

    return await once(access, effect)

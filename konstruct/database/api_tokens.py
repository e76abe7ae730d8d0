"""Tokens of the operators' API: 256 random bits, of which only the SHA-256 is kept. A token names its tenant."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID, uuid4

from konstruct.database.pool import Database, TenantConnection

_FORM = re.compile(r"kt_([0-9a-f]{32})_[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token as it is listed; the token itself is shown once, when it is made."""

    id: UUID
    name: str
    role: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


async def recognise(database: Database, token: str) -> tuple[UUID, UUID, str, str] | None:
    """The tenant, id, name and role of a token; None where there is none such, or not any more."""
    form = _FORM.fullmatch(token)
    if form is None:
        return None
    tenant = UUID(hex=form[1])
    async with database.tenant(tenant) as connection:
        row = await connection.run("recognise_api_token", digested=_digest(token))
    return (tenant, row["id"], row["name"], row["role"]) if row else None


async def make(connection: TenantConnection, name: str, role: str, created_by: str, days: int) -> tuple[str, ApiToken]:
    """A new token, to be shown now or never."""
    token = f"kt_{connection.tenant.hex}_{secrets.token_urlsafe(32)}"
    row = await connection.run(
        "save_api_token", id=uuid4(), digested=_digest(token), name=name, role=role, created_by=created_by, days=days
    )
    return token, ApiToken(**dict(row))


async def tokens(connection: TenantConnection) -> list[ApiToken]:
    """The tenant's tokens, newest first."""
    return [ApiToken(**dict(row)) for row in await connection.run("api_tokens")]


async def revoke(connection: TenantConnection, id_: UUID) -> bool:
    """End a token; false where there is none such."""
    return bool(await connection.run("revoke_api_token", id=id_))


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()

"""People who may log in to a tenant, and the sessions of their browsers. Tokens are kept hashed."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from konstruct.database.pool import Database, TenantConnection

SESSION = timedelta(hours=8)
PREFIX = "kss_"  # tells a session's token from others', in our logs and in scanners for leaked secrets


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who may log in."""

    id: UUID
    email: str
    role: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Membership:
    """A tenant that somebody may enter."""

    tenant_id: UUID
    tenant: str
    member_id: UUID
    role: str


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that somebody has logged in with, and what they may do today."""

    tenant_id: UUID
    tenant: str
    member_id: UUID
    email: str
    name: str
    role: str
    expires_at: datetime

    @property
    def actor(self) -> str:
        """For the audit: who acts, without a name."""
        return actor_of(self.member_id)


def actor_of(member: UUID) -> str:
    """For the audit: who acts, without a name."""
    return f"member:{member}"


async def members(connection: TenantConnection, after: str | None, limit: int) -> list[Member]:
    """Who may log in, in the order of their e-mail addresses."""
    return [Member(**dict(row)) for row in await connection.run("members", after_email=after, limit=limit)]


async def save_member(connection: TenantConnection, email: str, role: str) -> Member:
    """Let somebody log in, or change their role; that holds for their next request."""
    return Member(**dict(await connection.run("save_member", id=uuid4(), email=email.lower(), role=role)))


async def drop_member(connection: TenantConnection, email: str) -> bool:
    """Let somebody in no more, from their next request on; False if they were no member."""
    return bool(await connection.run("drop_member", email=email.lower()))


async def end_sessions(connection: TenantConnection, email: str) -> bool:
    """Log somebody out of this tenant everywhere; False if they are no member."""
    return bool(await connection.run("end_sessions", email=email.lower()))


async def memberships(database: Database, email: str) -> list[Membership]:
    """The tenants that this person may enter, by name."""
    return [Membership(**dict(row)) for row in await database.run("memberships", email=email.lower())]


async def begin_session(
    database: Database, membership: Membership, name: str, request: str, until: datetime | None = None
) -> tuple[str, datetime]:
    """A new session's token, and until when it holds. `until`: the end of the session that it follows."""
    token = PREFIX + secrets.token_urlsafe(32)
    actor = actor_of(membership.member_id)
    async with database.tenant(membership.tenant_id, actor=actor, request=request) as connection:
        expires_at: Any = await connection.run(
            "begin_session", token=_hashed(token), member=membership.member_id, name=name, lasts=SESSION, until=until
        )
    return token, expires_at


async def find_session(database: Database, token: str) -> Session | None:
    """Whose session it is; None where it has ended, or the person is no member any more."""
    if not token.startswith(PREFIX):
        return None
    row = await database.run("find_session", token=_hashed(token))
    return None if row is None else Session(**dict(row))


async def end_session(database: Database, session: Session, token: str, request: str) -> None:
    """Log this browser out."""
    async with database.tenant(session.tenant_id, actor=session.actor, request=request) as connection:
        await connection.run("end_session", token=_hashed(token))


def _hashed(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()

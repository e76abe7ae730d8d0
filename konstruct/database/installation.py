"""What an operator sees of the whole installation: counts and what was set aside, never message text."""

from dataclasses import dataclass
from datetime import datetime

from konstruct.database import audit_watch, usage
from konstruct.database.pool import Database
from konstruct.database.usage import AskedInVain
from konstruct.identity import tenant_id


@dataclass(frozen=True, slots=True)
class Status:
    """Counts over all tenants; ages in seconds."""

    tenants: int
    conversations: int
    inbox_waiting: int
    inbox_oldest_seconds: float
    inbox_dead: int
    outbox_waiting: int
    outbox_dead: int
    memories_waiting: int
    malformed: int
    audit_unsealed_seconds: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message or reply that was set aside."""

    tenant: str
    kind: str
    id: str
    error: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class TenantStatus:
    """What of one tenant a human should see."""

    name: str
    paused: int  # conversations, handed over or taken over
    asked_in_vain: list[AskedInVain]


async def status(database: Database) -> Status:
    """The counts now."""
    waits = await audit_watch.waiting(database)
    counts = await database.run("installation_status")
    return Status(**dict(counts), audit_unsealed_seconds=max(waits.values(), default=0.0))


async def dead_letters(database: Database, limit: int = 20) -> list[DeadLetter]:
    """What was set aside, newest first."""
    return [DeadLetter(**dict(row)) for row in await database.run("dead_letters", limit=limit)]


async def tenants(database: Database) -> list[TenantStatus]:
    """All tenants by name."""
    found = []
    for name in await tenant_names(database):
        async with database.tenant(tenant_id(name)) as connection:
            paused = int(await connection.run("count_paused"))
            found.append(TenantStatus(name, paused, await usage.asked_in_vain(connection)))
    return found


async def tenant_names(database: Database) -> list[str]:
    """Names of all tenants, sorted."""
    return [row["name"] for row in await database.run("tenant_names")]

"""Audit rows in PostgreSQL: what is to be sealed, what was, and rows for effects that no other row shows."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from konstruct.audit.chain import Event, Sealed
from konstruct.audit.statements import Anchor, Checkpoint, Signed
from konstruct.database.pool import Database, TenantConnection
from konstruct.errors import AuditDamaged

Page = TypeVar("Page", Signed, Sealed)

SEAL_SECONDS = 60.0
READ_SECONDS = 60.0
PAGE_ROWS = 2_000
# Larger than any transaction's number.
ENDLESS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Horizon:
    """Rows of transactions from `floor` on and below `ceiling` can be sealed; `floor` is the next one's."""

    floor: int
    ceiling: int
    next_floor: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A tenant with rows to be sealed."""

    tenant: UUID
    earliest: datetime
    latest: datetime
    events: int


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chains end; `ours`: nobody else seals until this transaction ends."""

    ours: bool
    checkpoint: Checkpoint | None
    checkpoint_content: str
    anchor: Anchor | None
    anchor_content: str


async def record(connection: TenantConnection, action: str, subject: str, **details: Any) -> None:
    """An effect that no row of ours shows, in the transaction of its effect. Neither text nor names nor secrets."""
    await connection.run("record_audit", action=action, subject=subject, details=details)


async def record_keys(database: Database, tenant: UUID, opened: Sequence[str]) -> None:
    """Channels and models were opened with their secrets."""
    async with database.tenant(tenant) as connection:
        for subject in opened:
            await record(connection, "key.used", subject)


async def horizon(database: Database, floor: int | None) -> Horizon:
    """What can be sealed now, where everything below `floor` is; None = ask the database."""
    row = await database.run("audit_horizon")
    floor = row["floor"] if floor is None else floor
    if floor > row["xmax"]:
        # Restored from a dump into a server that has counted fewer transactions: rows bear numbers that are to come.
        return Horizon(0, ENDLESS, row["xmin"])
    return Horizon(floor, row["xmin"], row["xmin"])


async def waiting(database: Database, span: Horizon) -> list[Waiting]:
    """Tenants with rows to be sealed."""
    rows = await database.run("audit_waiting", seconds=READ_SECONDS, floor=span.floor, ceiling=span.ceiling)
    return [Waiting(row["tenant_id"], row["earliest"], row["latest"], row["events"]) for row in rows]


async def head(connection: TenantConnection) -> Head:
    """Where the tenant's chain and the installation's end; takes the right to seal if nobody has it.

    Raises AuditDamaged where that cannot be read.
    """
    row = await connection.run("audit_head")
    checkpoint, anchor = row["checkpoint"], row["anchor"]
    try:
        return Head(
            row["ours"],
            Checkpoint.parse(checkpoint) if checkpoint else None,
            checkpoint or "",
            Anchor.parse(anchor) if anchor else None,
            anchor or "",
        )
    except ValueError as error:
        raise AuditDamaged from error


async def unsealed(connection: TenantConnection, who: Waiting, span: Horizon, limit: int) -> list[Event]:
    """Rows in the order in which they are to be sealed."""
    rows = await connection.run(
        "audit_unsealed", earliest=who.earliest, latest=who.latest, floor=span.floor, ceiling=span.ceiling, limit=limit
    )
    return [event_of(row) for row in rows]


async def seal(
    connection: TenantConnection,
    events: Sequence[Event],
    hashes: Sequence[bytes],
    checkpoint: tuple[Checkpoint, bytes],
    anchor: tuple[Anchor, bytes],
    *,
    floor: int,
) -> None:
    """Write it all; statements come with their signatures. Raises AlreadyTaken where somebody else was faster."""
    await connection.run(
        "seal_audit",
        tenant=connection.tenant,
        number=checkpoint[0].number,
        checkpoint=checkpoint[0].content,
        signature=checkpoint[1],
        first=checkpoint[0].first,
        ids=[event.id for event in events],
        times=[event.at for event in events],
        hashes=list(hashes),
        anchor_place=anchor[0].place,
        mark=bytes.fromhex(anchor[0].mark),
        anchor=anchor[0].content,
        anchor_signature=anchor[1],
        floor=floor,
    )


async def checkpoints(database: Database, tenant: UUID, after: int = 0) -> AsyncIterator[list[Signed]]:
    """A tenant's checkpoints, a page at a time."""

    async def read(connection: TenantConnection, behind: int) -> list[Signed]:
        rows = await connection.run("audit_checkpoints", after=behind, limit=PAGE_ROWS)
        return [Signed(row["number"], row["content"], row["signature"]) for row in rows]

    async for page in _pages(database, tenant, read, after):
        yield page


async def sealed(database: Database, tenant: UUID, after: int, through: int) -> AsyncIterator[list[Sealed]]:
    """Places of a tenant's chain after one and up to another, a page at a time."""

    async def read(connection: TenantConnection, behind: int) -> list[Sealed]:
        rows = await connection.run("audit_sealed", after=behind, through=through, limit=PAGE_ROWS)
        return [
            Sealed(row["seq"], row["hash"], row["event_id"], row["event_at"], event_of(row) if row["id"] else None)
            for row in rows
        ]

    async for page in _pages(database, tenant, read, after):
        yield page


async def ends(database: Database, tenant: UUID) -> tuple[str, int, int]:
    """A tenant's last checkpoint, "" without any, the last place in its chain, and the last anchor, of one moment."""
    async with database.tenant(tenant, seconds=READ_SECONDS) as connection:
        row = await connection.run("audit_ends")
    return row["checkpoint"] or "", row["last"], row["anchor"]


async def span(
    database: Database, tenant: UUID, earliest: datetime, latest: datetime, after: int
) -> tuple[int, int] | None:
    """The first and the last place after `after` with rows of that time, None without any."""
    async with database.tenant(tenant, seconds=READ_SECONDS) as connection:
        row = await connection.run("audit_span", earliest=earliest, latest=latest, after=after)
    return None if row["first"] is None else (row["first"], row["last"])


async def listed(
    connection: TenantConnection, action: str | None, before: tuple[datetime, UUID] | None, limit: int
) -> list[tuple[Event, int | None]]:
    """Rows before one, the latest first, each with its place in the chain."""
    at, id_ = before or (None, None)
    rows = await connection.run("audit_listed", action=action, before_at=at, before_id=id_, limit=limit)
    return [(event_of(row), row["seq"]) for row in rows]


async def strays(database: Database, tenant: UUID, floor: int, limit: int) -> list[tuple[UUID, datetime, str]]:
    """Rows of transactions below `floor` that nobody sealed."""
    async with database.tenant(tenant, seconds=READ_SECONDS) as connection:
        rows = await connection.run("audit_strays", floor=floor, limit=limit)
    return [(row["id"], row["at"], row["action"]) for row in rows]


async def anchors(database: Database, marks: list[bytes] | None = None, after: int = 0) -> AsyncIterator[list[Signed]]:
    """Anchors of these marks, or all, a page at a time."""
    while True:
        rows = await database.run("audit_anchors", seconds=READ_SECONDS, marks=marks, after=after, limit=PAGE_ROWS)
        yield [Signed(row["place"], row["content"], row["signature"]) for row in rows]
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1]["place"]


async def extent(database: Database) -> tuple[int, int]:
    """How many anchors there are, and the last one's place."""
    row = await database.run("audit_extent", seconds=READ_SECONDS)
    return row["anchors"], row["last"]


async def tenants(database: Database) -> list[UUID]:
    """Tenants with audit, also those that are gone."""
    return [row["id"] for row in await database.run("audited_tenants", seconds=READ_SECONDS)]


async def keys(database: Database) -> list[Signed]:
    """Public keys, oldest first."""
    rows = await database.run("audit_keys")
    return [Signed(row["number"], row["content"], row["signature"]) for row in rows]


async def add_key(database: Database, key: Signed) -> None:
    """Raises AlreadyTaken where another was added meanwhile."""
    await database.run("add_audit_key", number=key.number, content=key.content, signature=key.signature)


async def prepare_months(database: Database) -> int:
    """Partitions for the months to come; how many are new."""
    return int(await database.run("prepare_audit_months"))


async def _pages(
    database: Database, tenant: UUID, read: Callable[[TenantConnection, int], Awaitable[list[Page]]], after: int
) -> AsyncIterator[list[Page]]:
    while True:
        async with database.tenant(tenant, seconds=READ_SECONDS) as connection:
            page = await read(connection, after)
        if page:
            yield page
        if len(page) < PAGE_ROWS:
            return
        after = page[-1].number


def event_of(row: Any) -> Event:
    """A row of any query that has an event's columns."""
    return Event(row["id"], row["at"], row["actor"], row["action"], row["subject"], row["request_id"], row["details"])

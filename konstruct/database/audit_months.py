"""Months of audit that go: by the owner's role, for nobody else can."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from konstruct.audit.chain import Event
from konstruct.audit.statements import Signed
from konstruct.database.audit import READ_SECONDS, event_of
from konstruct.database.pool import Database, TenantConnection
from konstruct.errors import DatabaseUnavailable, DatabaseUnfit, KonstructError

EVENTS, SEALS = "audit_months.events_", "audit_months.seals_"
_SEALED = "exists (select from {seals} s where s.tenant_id = e.tenant_id and s.event_at = e.at and s.event_id = e.id)"
_OLD = r"""select c.oid::regclass::text from pg_class c
           where c.relnamespace = 'audit_months'::regnamespace and c.relkind = 'r'
             and c.relname ~ '^(events|seals)_\d{4}_\d\d$' and right(c.relname, 7) < %s order by 1"""

_WHO = """select set_config('app.current_tenant', %s, true), set_config('app.actor', %s, true),
                 set_config('app.request_id', %s, true)"""
_RECORD = "insert into audit_events (tenant_id, action, subject, details) values (%s, 'audit.dropped', 'audit', %s)"


@dataclass(frozen=True, slots=True)
class Order:
    """Whoever lets months go: recorded in the chain `chain`."""

    chain: UUID
    actor: str
    request: str


class StillUnsealed(KonstructError):
    """Rows of old months are not sealed yet; let the Auditor run, then try again."""


@dataclass(frozen=True, slots=True)
class DropEnd:
    """The last place of what is to go, the hash there, and whether something older is not sealed yet."""

    through: int
    hash: bytes
    floor: int
    unsealed: bool


async def drop_end(connection: TenantConnection, before: datetime) -> DropEnd | None:
    """None where nothing is that old."""
    row = await connection.run("audit_drop_end", before_at=before)
    if row["seq"] is None and not row["unsealed"]:
        return None
    return DropEnd(row["seq"] or 0, row["hash"] or b"", row["floor"], row["unsealed"])


async def latest_drop(database: Database, tenant: UUID) -> Signed | None:
    """The checkpoint that says what of the chain is gone."""
    async with database.tenant(tenant, seconds=READ_SECONDS) as connection:
        row = await connection.run("audit_drop")
    return Signed(row["number"], row["content"], row["signature"]) if row else None


async def kept(connection: TenantConnection, before: datetime, end: DropEnd) -> list[tuple[int, Event]]:
    """Rows of later that stand before that place, and stay."""
    rows = await connection.run("audit_kept", before_at=before, through=end.through)
    return [(row["seq"], event_of(row)) for row in rows]


def months_before(now: datetime, months: int) -> datetime:
    """The beginning of the month `months` before this one, UTC."""
    place = now.year * 12 + now.month - 1 - months
    return datetime(place // 12, place % 12 + 1, 1, tzinfo=UTC)


def old_months(url: str, before: datetime) -> list[str]:
    """Partitions of months that ended by then."""
    with _owner(url) as owner:
        return [name for (name,) in owner.execute(_OLD.encode(), [f"{before:%Y_%m}"])]


def drop_months(url: str, before: datetime, order: Order | None = None) -> list[str]:
    """Drop them; answers their names. Turns wait for milliseconds; where that would be seconds, nothing happens.

    `order` is recorded in the same transaction. Raises StillUnsealed, whatever tenant's the row is.
    """
    dropped = old_months(url, before)
    with _owner(url) as owner, owner.transaction():
        owner.execute("set local lock_timeout = '5s'")
        _check_sealed(owner, dropped)
        for name in dropped:
            owner.execute(f"drop table {name}".encode())
        if dropped and order is not None:
            owner.execute(_WHO.encode(), [str(order.chain), order.actor, order.request])
            owner.execute(_RECORD.encode(), [order.chain, Jsonb({"before": before.isoformat(), "months": dropped})])
    return dropped


def _check_sealed(owner: Any, months: list[str]) -> None:
    """Also of tenants of which nothing was ever sealed; nothing can be added to a month until the transaction ends."""
    for events in (name for name in months if name.startswith(EVENTS)):
        seals = [name for name in (events.replace(EVENTS, SEALS), f"{SEALS}rest") if name in (*months, f"{SEALS}rest")]
        is_sealed = " or ".join(_SEALED.format(seals=name) for name in seals)
        owner.execute(f"lock table {events} in share mode".encode())
        [row] = owner.execute(f"select exists (select from {events} e where not ({is_sealed}))".encode())  # noqa: S608
        if row[0]:
            raise StillUnsealed


@contextmanager
def _owner(url: str) -> Iterator[Any]:
    try:
        with psycopg.connect(url, autocommit=True) as owner:
            yield owner
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"PostgreSQL did not let old months go: {error}; try again.") from error
    except psycopg.Error as error:
        raise DatabaseUnfit(f"Old months go by the role that owns the schema, as migrations do: {error}") from error

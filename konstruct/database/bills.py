"""What bills are made of, out of the ledger."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from konstruct.bill import Entry, Movements
from konstruct.database.pool import Database, TenantConnection
from konstruct.plans import Plan


async def entries(database: Database, tenant: UUID, begin: datetime, end: datetime) -> list[Entry]:
    """What a time cost, by model and by kind of message."""
    return [Entry(**row) for row in await database.run("bill_entries", tenant=tenant, begin=begin, until=end)]


async def movements(database: Database, tenant: UUID, plan: Plan, begin: datetime, end: datetime) -> Movements:
    """From the ledger of a time to what Stripe was told for it."""
    row = await database.run(
        "bill_movements", tenant=tenant, unit=plan.unit, event_name=plan.event_name, begin=begin, until=end
    )
    return Movements(**row)


async def rows(
    connection: TenantConnection, begin: datetime, after: UUID, end: datetime, limit: int
) -> list[dict[str, Any]]:
    """Each turn and each charged message of a time, of its first moment those after an id; at most `limit`."""
    return [dict(row) for row in await connection.run("bill_rows", begin=begin, after=after, until=end, limit=limit)]


async def subscriptions(database: Database, tenant: UUID) -> list[Mapping[str, Any]]:
    """When a tenant's subscriptions were to which plan, the latest first."""
    async with database.tenant(tenant) as connection:
        return list(await connection.run("billed_subscriptions"))


async def reconciliations(database: Database, tenant: UUID) -> list[dict[str, Any]]:
    """The last comparisons with Stripe, the latest month first."""
    async with database.tenant(tenant) as connection:
        return [dict(row) for row in await connection.run("reconciliations")]

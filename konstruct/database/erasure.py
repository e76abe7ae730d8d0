"""People and tenants to be forgotten or taken along: what is about them, and its end."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from konstruct.database.meter_events import check_settled
from konstruct.database.pool import SYSTEM, Database

# Of a tenant with a long history; nothing waits for it.
WHOLE_SECONDS = 600.0
# In one transaction; what meets rows that are being erased waits for no longer than that.
CONVERSATIONS_AT_ONCE = 500
ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on a tenant's channel, by any name that the channel gives them."""

    tenant: UUID
    channel: str
    name: str


async def files_of(database: Database, person: Person) -> list[str]:
    """Digests of kept files that came from them and from nobody else."""
    rows = await database.run("files_of_contact", seconds=WHOLE_SECONDS, **_named(person))
    return [row["digest"] for row in rows]


async def is_known(database: Database, person: Person) -> bool:
    """Whether anything is stored about them."""
    async with database.tenant(person.tenant, seconds=WHOLE_SECONDS) as connection:
        return bool(await connection.run("is_known", channel=person.channel, contact_name=person.name))


async def erase_person(database: Database, person: Person, actor: str = SYSTEM, request: str = "") -> float:
    """Every row about them; answers for how many seconds a reply may still be on its way."""
    within = partial(database.tenant, person.tenant, seconds=WHOLE_SECONDS, actor=actor, request=request)
    async with within() as connection:
        await connection.run("begin_erasure", **_named(person))
    left, forgotten = 0.0, CONVERSATIONS_AT_ONCE
    while forgotten == CONVERSATIONS_AT_ONCE:
        async with within() as connection:
            step = await connection.run("forget_conversations", limit=CONVERSATIONS_AT_ONCE, **_named(person))
        left, forgotten = max(left, step["seconds"]), step["forgotten"]
    async with within() as connection:
        return max(left, float(await connection.run("erase_contact", **_named(person))))


async def forget_unsent(database: Database, tenant: UUID) -> None:
    """What was shown in the web chat meanwhile."""
    async with database.tenant(tenant) as connection:
        await connection.run("forget_unsent")


async def erase_tenant(
    database: Database, tenant: UUID, actor: str = SYSTEM, request: str = "", *, abandon_billing: bool = False
) -> float | None:
    """Every row of the tenant; answers as erase_person does, None where there is no such tenant.

    Raises BillUnsettled, and erases nothing, unless what Stripe would charge or miss is given up.
    """
    within = partial(database.tenant, tenant, seconds=WHOLE_SECONDS, actor=actor, request=request)
    async with within() as connection:
        if not abandon_billing:
            await check_settled(connection, datetime.now(UTC))
        seconds: float | None = await connection.run("close_tenant", tenant=tenant)
    if seconds is None:
        return None
    thinned = ROWS_AT_ONCE
    while thinned:
        async with within() as connection:
            thinned = await connection.run("thin_tenant", tenant=tenant, limit=ROWS_AT_ONCE)
    async with within() as connection:
        await connection.run("drop_tenant")
    return seconds


async def drop_tombstones(database: Database, tenant: UUID) -> None:
    """Of a tenant that was only a canary: nothing of it will come late."""
    async with database.tenant(tenant) as connection:
        await connection.run("drop_tombstones")


async def forget_tombstones(database: Database, tenant: UUID) -> None:
    """Those that nothing can come late for any more."""
    async with database.tenant(tenant) as connection:
        await connection.run("forget_tombstones")


async def rows_of_person(database: Database, person: Person) -> dict[str, list[Any]]:
    """Everything about them, by table."""
    found: dict[str, list[Any]] = {}
    for row in await database.run("rows_of_contact", seconds=WHOLE_SECONDS, **_named(person)):
        found.setdefault(row["place"], []).append(row["content"])
    return found


async def tables_of_tenants(database: Database) -> list[str]:
    """Where a tenant may have rows."""
    return [row["name"] for row in await database.run("tables_of_tenants")]


async def rows_of_tenant(database: Database, tenant: UUID, table: str) -> list[Any]:
    """The tenant's rows of one table, without what is encrypted, hashed or made of the rest."""
    rows = await database.run("rows_of_tenant", seconds=WHOLE_SECONDS, tenant=tenant, table_name=table)
    return [row["content"] for row in rows]


def _named(person: Person) -> dict[str, Any]:
    return {"tenant": person.tenant, "channel": person.channel, "contact_name": person.name}

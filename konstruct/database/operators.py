"""Operators are told of what no conversation said: through the outbox, in the transaction of what is told."""

from uuid import UUID

import structlog

from konstruct.database.pool import Database, TenantConnection
from konstruct.database.tenants import read_tenant
from konstruct.errors import SecretUnreadable
from konstruct.identity import conversation_id, notice_id, shard_of
from konstruct.messages import Address
from konstruct.vault import Vault

log = structlog.get_logger()


async def notify(database: Database, vault: Vault, tenant: UUID, key: str, text: str) -> None:
    """Tell them in a transaction of its own."""
    place = await place_of(database, vault, tenant)
    async with database.tenant(tenant) as connection:
        await tell(connection, key, text, place)


async def place_of(database: Database, vault: Vault, tenant: UUID) -> Address | None:
    """Where the humans of a tenant are told, in Slack; None where nowhere."""
    try:
        row = await read_tenant(database, tenant, vault)
    except SecretUnreadable:
        return None
    return row.operators_place if row else None


async def tell(connection: TenantConnection, key: str, text: str, place: Address | None) -> None:
    """Queue a notice; the same `key` is told once. Without a place in Slack it is in the log only."""
    log.warning("operators are told", tenant=str(connection.tenant), notice=text)
    if place is None:
        return
    conversation = conversation_id(connection.tenant, "slack", f"{place.team}/{place.channel}/operators")
    await connection.run(
        "tell_operators",
        tenant=connection.tenant,
        reply=notice_id(connection.tenant, key),
        conversation=conversation,
        shard=shard_of(conversation),
        text=text,
        channel="slack",
        address=place,
    )

"""Operators are told of what no conversation said: through the outbox, in the transaction of what is told."""

import structlog

from konstruct.database.pool import TenantConnection
from konstruct.identity import conversation_id, notice_id, shard_of
from konstruct.messages import Address

log = structlog.get_logger()


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

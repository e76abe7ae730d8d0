"""What people think of answers."""

from uuid import UUID

from konstruct.database.pool import Database
from konstruct.identity import reply_id


async def give(database: Database, tenant: UUID, turn: UUID, contact: UUID, *, positive: bool) -> bool:
    """Keep a contact's verdict on a turn's answer; the last one counts. False where nobody gave that answer."""
    return bool(
        await database.run(
            "give_feedback",
            seconds=2.0,
            tenant=tenant,
            turn=turn,
            reply=reply_id(tenant, turn, 0),
            contact=contact,
            positive=positive,
        )
    )

"""Conversations by the place where they are held: the people there pause and resume them, a reaction finds one."""

from dataclasses import dataclass
from uuid import UUID

from konstruct.database.pool import Database
from konstruct.messages import Address

SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Count:
    """What is going on in one place."""

    conversations: int
    paused: int
    waiting: int


async def count(database: Database, tenant: UUID, channel: str, place: str) -> Count:
    """How many conversations are held there, and how they are."""
    async with database.tenant(tenant, seconds=SECONDS) as connection:
        row = await connection.run("count_place", channel=channel, place=place)
    return Count(row["conversations"], row["paused"], row["waiting"])


async def pause(database: Database, tenant: UUID, channel: str, place: str, *, reason: str, seconds: float) -> int:
    """Pause every conversation there; answers how many."""
    async with database.tenant(tenant, seconds=SECONDS) as connection:
        return int(await connection.run("pause_place", channel=channel, place=place, reason=reason, seconds=seconds))


async def resume(database: Database, tenant: UUID, channel: str, place: str) -> int:
    """Resume every paused conversation there; answers how many."""
    async with database.tenant(tenant, seconds=SECONDS) as connection:
        return int(await connection.run("resume_place", channel=channel, place=place))


async def find(
    database: Database, tenant: UUID, channel: str, place: str, source_id: str
) -> tuple[UUID, Address] | None:
    """The conversation of a message that was said there, by a contact or by the employee; None if it is unknown."""
    async with database.tenant(tenant, seconds=SECONDS) as connection:
        row = await connection.run(
            "message_place", channel=channel, place=place, event=f"{place}:{source_id}", external_id=source_id
        )
    return None if row is None else (row["id"], Address(**row["address"]))

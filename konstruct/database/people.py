"""Contacts under names that change: who it is, what they are called now, and histories that turn out to be one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from konstruct.database.pool import Database, TenantConnection
from konstruct.identity import contact_id, conversation_id, shard_of
from konstruct.messages import Address

PEOPLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """One tenant's channel, and the place in it where a contact's conversation is held: `<team>:<contact>`."""

    tenant: UUID
    channel: str
    team: str

    def conversation(self, contact: str) -> UUID:
        """Id of the contact's conversation."""
        return conversation_id(self.tenant, self.channel, f"{self.team}:{contact}")


@dataclass(frozen=True, slots=True)
class Found:
    """Who it is, and as whom they are written to now: a message may be older than a change of names."""

    contact: str
    recipient: str


async def resolve(
    database: Database, where: Whereabouts, aliases: Sequence[str], said_at: float, recipient: str
) -> Found:
    """The contact that goes by these names (most lasting first), and wrote as `recipient`; a stranger becomes one."""
    found = await database.run(
        "resolve_contact",
        seconds=PEOPLE_SECONDS,
        tenant=where.tenant,
        channel=where.channel,
        aliases=list(aliases),
        said_at=datetime.fromtimestamp(said_at, UTC),
        recipient=recipient,
    )
    return Found(await _one(database, where, found["contacts"]), found["recipient"])


async def move(
    database: Database, where: Whereabouts, before: Sequence[str], after: Sequence[str], *, recipient: str, at: float
) -> str:
    """A person has other names since then, and is written to as `recipient`; answers their contact."""
    contacts = await database.run(
        "move_contact",
        seconds=PEOPLE_SECONDS,
        tenant=where.tenant,
        channel=where.channel,
        before=list(before),
        after=list(after),
        recipient=recipient,
        moved_at=datetime.fromtimestamp(at, UTC),
    )
    return await _one(database, where, contacts)


async def quoted_reply(database: Database, tenant: UUID, external_id: str) -> str | None:
    """What the employee said in this message; None where it is somebody else's."""
    async with database.tenant(tenant, seconds=PEOPLE_SECONDS) as connection:
        said: str | None = await connection.run("quoted_reply", external_id=external_id)
        return said


async def own_words(
    database: Database, tenant: UUID, conversation: UUID, external_id: str
) -> list[tuple[str | None, str]]:
    """What the employee said in this message or is about to say in this conversation: (the channel's id, the text)."""
    async with database.tenant(tenant, seconds=PEOPLE_SECONDS) as connection:
        rows = await connection.run("own_words", conversation=conversation, external_id=external_id)
    return [(row["external_id"], row["text"]) for row in rows]


async def _one(database: Database, where: Whereabouts, contacts: Sequence[str]) -> str:
    """Make one contact of several, wherever the tenant's channels met them, or if it is interrupted nowhere."""
    stays, *others = contacts
    for other in others:
        async with database.tenant(where.tenant, seconds=PEOPLE_SECONDS) as connection:
            for place in await _places(connection, where, other):
                await _merge(connection, place, other, stays)
    return stays


async def _places(connection: TenantConnection, where: Whereabouts, contact: str) -> list[Whereabouts]:
    """Here, and wherever else this contact has a conversation."""
    teams = [row["team"] for row in await connection.run("teams_of_channel", kind=where.channel)]
    elsewhere = {(place := replace(where, team=team)).conversation(contact): place for team in teams}
    elsewhere.pop(where.conversation(contact), None)
    known = await connection.run("conversations_begun", ids=list(elsewhere))
    return [where, *(elsewhere[row["id"]] for row in known)]


async def _merge(connection: TenantConnection, where: Whereabouts, other: str, stays: str) -> None:
    conversation = where.conversation(stays)
    await connection.run(
        "merge_contact",
        tenant=where.tenant,
        channel=where.channel,
        old_name=other,
        name=stays,
        old_contact=contact_id(where.tenant, where.channel, other),
        contact=contact_id(where.tenant, where.channel, stays),
        old_conversation=where.conversation(other),
        conversation=conversation,
        shard=shard_of(conversation),
        address=Address(where.team, stays, private=True),
    )

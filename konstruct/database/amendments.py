"""What changes a conversation beside its turns: edits, deletions, pauses, notices, what a channel reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from konstruct.database.pool import Database, TenantConnection
from konstruct.messages import Heard, Reply

# How a memory reads: what the contact said, what they were told. `format` of PostgreSQL and `%` of Python agree on it.
MEMORY_FORM = "They said: %s\nYou said: %s"
# Of the question and of the answer: the embedder reads 256 tokens of both together.
MEMORY_CHARS = 500


@dataclass(frozen=True, slots=True)
class Report:
    """What a channel says of a reply since it was sent: sent, delivered, read or failed.

    `reply` is None where the channel names its own message only; `again`: what failed may succeed later,
    and `closed`: as a template only.
    """

    tenant: UUID
    reply: UUID | None
    external_id: str
    delivery: str
    error: str | None = None
    again: bool = False
    closed: bool = False


async def amend(database: Database, amendment: Heard, *, epoch: int) -> str:
    """Apply an edit or deletion; answers waiting, answered or unknown: where its message was. Raises as commit does."""
    found: str = await database.run(
        "amend_message",
        tenant=amendment.tenant,
        conversation=amendment.conversation,
        shard=amendment.shard,
        epoch=epoch,
        inbox=amendment.id,
        target=amendment.target,
        text=None if amendment.kind == "delete" else amendment.text,
        form=MEMORY_FORM,
        chars=MEMORY_CHARS,
    )
    return found


async def note_file(database: Database, message: Heard, digest: str, *, epoch: int) -> None:
    """A file of this message is about to be kept. Raises Fenced; StaleTurn where the message is gone."""
    await database.run(
        "note_file", tenant=message.tenant, inbox=message.id, shard=message.shard, epoch=epoch, digest=digest
    )


async def files_of(database: Database, deletion: Heard) -> list[str]:
    """Digests of the kept files that came with the message and with no other, answered or not."""
    async with database.tenant(deletion.tenant) as connection:
        rows = await connection.run("files_of_message", conversation=deletion.conversation, target=deletion.target)
    return [row["digest"] for row in rows]


async def forget_early(database: Database) -> None:
    """Forget edits and deletions that came before a message which did not come."""
    for row in await database.run("amended_in_vain"):
        async with database.tenant(row["tenant"]) as connection:
            await connection.run("forget_early")


async def pause(
    database: Database | TenantConnection, tenant: UUID, conversation: UUID, reason: str, seconds: float
) -> bool:
    """Silence the employee; nothing of a turn under way becomes visible any more. False: no such conversation."""
    return bool(
        await database.run(
            "pause_conversation", tenant=tenant, conversation=conversation, reason=reason, pause_seconds=seconds
        )
    )


async def resume(database: Database | TenantConnection, tenant: UUID, conversation: UUID) -> bool:
    """Let the employee speak again; escalation rules count from zero. False: no such conversation."""
    return bool(await database.run("resume_conversation", tenant=tenant, conversation=conversation))


async def queue_reply(database: Database, reply: Reply, *, shard: int) -> None:
    """Something to tell that no turn said; told once, however often it is queued."""
    await database.run(
        "queue_reply",
        tenant=reply.tenant,
        reply=reply.id,
        conversation=reply.conversation,
        shard=shard,
        turn=reply.turn,
        part=reply.part,
        text=reply.text,
        channel=reply.channel,
        address=reply.address,
    )


async def record(database: Database, reports: Sequence[Report], *, seconds: float) -> None:
    """What channels report of replies, never backwards; settles sends whose outcome was unknown."""
    await database.run(
        "record_deliveries",
        seconds=seconds,
        tenants=[report.tenant for report in reports],
        replies=[report.reply for report in reports],
        external_ids=[report.external_id for report in reports],
        deliveries=[report.delivery for report in reports],
        errors=[report.error for report in reports],
        again=[report.again for report in reports],
        closed=[report.closed for report in reports],
    )

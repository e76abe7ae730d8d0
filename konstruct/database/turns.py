"""The turn's durable steps: C1 (hear), activation, C2 (commit), and what stands between a crash and a dead letter."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog

from konstruct.database.pool import Database, TenantConnection
from konstruct.messages import Address, Attachment, Heard, Inbound, Reply, Spoken
from konstruct.window import WINDOW_ENTRIES

HEAR_SECONDS = 2.0
ATTEMPTS_LIMIT = 3

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Activation:
    """A conversation as PostgreSQL knows it."""

    version: int
    counters: dict[str, Any]
    paused_seconds: float | None  # how long the employee is still to be silent
    window: tuple[Spoken, ...]
    contacts: frozenset[UUID]
    waiting: list[Heard]
    replies: list[Reply]
    streaming: dict[UUID, Reply]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a turn came to, ready for C2. `usage` is None where no model was asked; tokens are the provider's count."""

    turn: UUID
    heard: Sequence[Heard]
    contacts: dict[UUID, str]
    said: list[dict[str, Any]]
    memories: list[dict[str, Any]]
    replies: Sequence[Reply]
    usage: dict[str, Any] | None
    outcome: str = "answered"
    counters: dict[str, Any] = field(default_factory=dict)
    pause: dict[str, Any] | None = None
    budget: dict[str, Any] | None = None  # what was held and what operators are told, where there is a budget


async def hear(database: Database, messages: Sequence[Inbound]) -> list[Heard | None]:
    """C1 for many messages in one commit; None for a message that was there already, or whose tenant is gone."""
    rows = await database.run(
        "hear",
        seconds=HEAR_SECONDS,
        tenants=[m.tenant for m in messages],
        channels=[m.channel for m in messages],
        events=[m.event for m in messages],
        conversations=[m.conversation for m in messages],
        shards=[m.shard for m in messages],
        only_known=[m.only_known for m in messages],
        bodies=[_body(m) for m in messages],
    )
    heard: list[Heard | None] = [None] * len(messages)
    for row in rows:
        m = messages[row["place"]]
        if row["id"] is None:
            log.warning("unknown tenant", channel=m.channel, tenant=m.tenant, request=m.request)
            continue
        heard[row["place"]] = Heard(
            row["id"], m.tenant, m.conversation, m.shard, row["epoch"], 0,
            m.channel, m.address, m.contact, m.text, m.source_id, m.kind, m.target, m.attachments,
            request=m.request,
        )  # fmt: skip
    return heard


async def activate(database: Database, tenant: UUID, conversation: UUID, shard: int) -> Activation:
    """Read a conversation: window, waiting messages and unsent replies, in one statement."""
    row = await database.run("activate", tenant=tenant, conversation=conversation, window=WINDOW_ENTRIES)
    replies = [(reply["state"], _reply(tenant, conversation, reply)) for reply in row["replies"] or ()]
    return Activation(
        version=row["version"] or 0,
        counters=row["counters"] or {},
        paused_seconds=row["paused_seconds"],
        window=tuple(Spoken(said["role"], said["text"], said["turn"]) for said in row["said"] or ()),
        contacts=frozenset(row["contacts"] or ()),
        waiting=[_heard(tenant, conversation, shard, waiting) for waiting in row["waiting"] or ()],
        replies=[reply for state, reply in replies if state == "pending"],
        streaming={reply.id: reply for state, reply in replies if state == "streaming"},
    )


async def commit(database: Database, outcome: Outcome, *, epoch: int, version: int, claim_seconds: float) -> list[int]:
    """C2; answers the shares of budgets reached. Raises Fenced or StaleTurn, and then nothing at all was written."""
    first = outcome.heard[0]
    reached = await database.run(
        "commit_turn",
        tenant=first.tenant,
        conversation=first.conversation,
        shard=first.shard,
        epoch=epoch,
        version=version,
        turn=outcome.turn,
        inbox=[heard.id for heard in outcome.heard],
        outcome=outcome.outcome,
        channel=first.channel,
        address=outcome.heard[-1].address,
        counters=outcome.counters,
        pause=outcome.pause,
        contacts=[{"id": str(id_), "external_id": external} for id_, external in outcome.contacts.items()],
        said=outcome.said,
        memories=outcome.memories,
        replies=[_stored(reply) for reply in outcome.replies],
        usage=outcome.usage,
        claim_seconds=claim_seconds,
        budget=outcome.budget,
    )
    return list(reached or ())


async def open_reply(
    database: Database, reply: Reply, *, shard: int, epoch: int, version: int, claim_seconds: float
) -> None:
    """Say durably that this reply is about to become visible. Raises Fenced; StaleTurn where it must not."""
    await database.run(
        "open_reply",
        tenant=reply.tenant,
        conversation=reply.conversation,
        shard=shard,
        epoch=epoch,
        version=version,
        turn=reply.turn,
        reply=reply.id,
        channel=reply.channel,
        address=reply.address,
        source_id=reply.source_id,
        claim_seconds=claim_seconds,
    )


async def count_attempt(
    database: Database | TenantConnection, heard: Sequence[Heard], *, epoch: int, error: str | None
) -> set[int]:
    """Count one more crash for these messages; answers the ids that are dead letters now. Raises Fenced."""
    rows = await database.run(
        "count_attempt",
        tenant=heard[0].tenant,
        inbox=[h.id for h in heard],
        shard=heard[0].shard,
        epoch=epoch,
        limit=ATTEMPTS_LIMIT,
        error=error,
    )
    return {row["id"] for row in rows if row["state"] == "dead"}


async def record_malformed(database: Database, channel: str, reason: str, body: bytes) -> None:
    """Keep a signed event that cannot be read."""
    await database.run("record_malformed", seconds=HEAR_SECONDS, channel=channel, reason=reason, body=body)


async def forget_malformed(database: Database) -> None:
    """Those that nobody has asked about in eight days."""
    await database.run("forget_malformed")


def _body(message: Inbound) -> dict[str, Any]:
    body: dict[str, Any] = {
        "address": message.address,
        "contact": message.contact,
        "text": message.text,
        "source_id": message.source_id,
    }
    if message.kind != "message":
        body |= {"kind": message.kind, "target": message.target}
    if message.attachments:
        body["attachments"] = message.attachments
    if message.said_at is not None:
        body["said_at"] = message.said_at
    if message.request:
        body["request"] = message.request
    return body


def _stored(reply: Reply) -> dict[str, Any]:
    return {
        "id": str(reply.id),
        "part": reply.part,
        "text": reply.text,
        "channel": reply.channel,
        "address": reply.address,
        "source_id": reply.source_id,
    }


def _heard(tenant: UUID, conversation: UUID, shard: int, row: dict[str, Any]) -> Heard:
    body = row["body"]
    return Heard(
        row["id"], tenant, conversation, shard, row["epoch"], row["attempts"],
        row["channel"], Address(**body["address"]), body["contact"], body["text"], body["source_id"],
        body.get("kind", "message"), body.get("target", ""),
        tuple(Attachment(**attachment) for attachment in body.get("attachments", ())), request=body.get("request", ""),
    )  # fmt: skip


def _reply(tenant: UUID, conversation: UUID, row: dict[str, Any]) -> Reply:
    return Reply(
        id=UUID(row["id"]),
        tenant=tenant,
        conversation=conversation,
        turn=UUID(row["turn"]),
        part=row["part"],
        text=row["text"],
        channel=row["channel"],
        address=Address(**row["address"]),
        external_id=row["external_id"],
        created_at=datetime.fromtimestamp(row["created_at"], tz=UTC),
        source_id=row["source_id"],
    )

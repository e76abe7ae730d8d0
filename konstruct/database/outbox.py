"""The outbox: who may write a reply to its channel, and what became of it."""

import asyncio
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from uuid import UUID

import structlog

from konstruct.database.pool import Database
from konstruct.errors import DatabaseUnavailable
from konstruct.group_commit import GroupCommit
from konstruct.messages import Reply

MARK_LINGER_SECONDS = 0.2
# A mark that is lost means a search in the channel or, where none is possible, a message sent twice: while PostgreSQL
# is away it is tried again and again, at last with the last of these pauses.
MARK_AGAIN_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sent:
    """The end of one reply; `error` is None when it is visible."""

    tenant: UUID
    reply: UUID
    epoch: int
    external_id: str | None
    error: str | None = None


class Outbox:
    """Claims replies and marks them; marks of many conversations share a commit (C3)."""

    def __init__(self, database: Database) -> None:
        """Nothing is opened or started here."""
        self._database = database
        self._marks: GroupCommit[Sent, None] = GroupCommit(self._mark, linger=MARK_LINGER_SECONDS)
        self._marking: set[UUID] = set()

    async def claim(self, reply: Reply, *, shard: int, epoch: int, seconds: float) -> float | None:
        """0 = ours for `seconds`; more = seconds to wait first; None = nothing left to send there. Raises Fenced."""
        wait: float | None = await self._database.run(
            "claim_reply", tenant=reply.tenant, reply=reply.id, shard=shard, epoch=epoch, claim_seconds=seconds,
            recipient=reply.address.channel,
        )  # fmt: skip
        return wait

    async def record_external_id(self, reply: Reply, epoch: int, external_id: str) -> bool:
        """Make the platform's message id durable; False where nobody wants the reply any more. Raises Fenced."""
        recorded: bool = await self._database.run(
            "record_external_id", tenant=reply.tenant, reply=reply.id, epoch=epoch, external_id=external_id
        )
        return recorded

    def mark_later(self, sent: Sent) -> None:
        """C3, batched. If it is lost, a successor finds the message in the channel and marks it then."""
        self._marking.add(sent.reply)
        # Not as its batch ends: what one reply fails for, the others are tried again without.
        self._marks.add(sent).add_done_callback(partial(self._marked, sent.reply))

    def is_settled(self, reply: UUID) -> bool:
        """Whether this process has brought the reply out and PostgreSQL is only about to learn of it."""
        return reply in self._marking

    async def settle(self) -> None:
        """Wait until all marks are written."""
        await self._marks.settle()

    def _marked(self, reply: UUID, marked: asyncio.Future[None]) -> None:
        self._marking.discard(reply)
        if error := marked.exception():
            log.error("reply is out, but not marked; a successor looks for it", reply=reply, exc_info=error)

    async def _mark(self, batch: list[Sent]) -> list[None]:
        await self._write_at_last(batch)
        return [None] * len(batch)

    async def _write_at_last(self, batch: list[Sent]) -> None:
        for pause in chain(MARK_AGAIN_SECONDS, repeat(MARK_AGAIN_SECONDS[-1])):
            try:
                await self._write(batch)
            except DatabaseUnavailable as error:
                log.warning("replies are out, but not marked yet", replies=len(batch), reason=str(error))
                await asyncio.sleep(pause)
            else:
                return

    async def _write(self, batch: list[Sent]) -> None:
        await self._database.run(
            "mark_sent",
            tenants=[sent.tenant for sent in batch],
            replies=[sent.reply for sent in batch],
            epochs=[sent.epoch for sent in batch],
            external_ids=[sent.external_id for sent in batch],
            errors=[sent.error for sent in batch],
        )

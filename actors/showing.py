"""What a contact sees while a turn runs: the status, and a long answer as it grows."""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace

import structlog

from konstruct.channels import Channel
from konstruct.database import turns
from konstruct.database.pool import Database
from konstruct.delivery import CLAIM_SECONDS, Claim, Delivery
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, ChannelRefused
from konstruct.messages import Address

# A shorter wait needs no status.
STATUS_AFTER_SECONDS = 0.25
STATUS = "is thinking…"
# That a message was read is told before it is answered, but an answer does not wait for it longer.
READ_WITHIN_SECONDS = 1.0
# A short answer is posted whole; a long one grows by edits (chat.update: tier 3, 50 a minute per workspace).
SHOW_AFTER_SECONDS = 1.0
SHOW_EVERY_SECONDS = 1.2

log = structlog.get_logger()


class Status:
    """That the employee is at work, as contacts of one conversation see it. An answer takes its place."""

    __slots__ = ("_clearing", "_shown")

    def __init__(self) -> None:
        """Nothing is shown."""
        self._shown: tuple[Channel, Address, str] | None = None
        self._clearing: asyncio.Task[None] | None = None

    @property
    def lingers(self) -> bool:
        """Whether it was shown, and nothing was said since."""
        return self._shown is not None

    @property
    def at_work(self) -> list[asyncio.Task[None]]:
        """What has to end before somebody else shows one."""
        return [self._clearing] if self._clearing else []

    async def show(self, channel: Channel, address: Address, source_id: str) -> None:
        """Once more, too; after what is still being cleared, which would end it."""
        if clearing := self.at_work:
            await asyncio.wait(clearing)
        self._shown = (channel, address, source_id)
        await _try_to_show(*self._shown, STATUS)

    def give_way(self) -> None:
        """The answer is coming."""
        self._shown = None

    def clear_later(self) -> None:
        """Nothing is coming. The channel may take seconds, and nobody waits for that."""
        shown, self._shown = self._shown, None
        if shown is not None:
            self._clearing = asyncio.create_task(self._clear(shown))

    def forget(self) -> None:
        """Another owner shows what there is."""
        if self._clearing:
            self._clearing.cancel()

    async def _clear(self, shown: tuple[Channel, Address, str]) -> None:
        try:
            await _try_to_show(*shown, "")
        finally:
            self._clearing = None


async def _try_to_show(channel: Channel, address: Address, source_id: str, status: str) -> None:
    try:
        await channel.show_status(address, source_id, status)
    except (ChannelBusy, ChannelOutcomeUnknown, ChannelRefused) as failure:
        log.info("status not shown", status=status, reason=str(failure))


class Showing:
    """Shows one turn's answer before it is committed; whatever is shown wrongly, the final edit puts right."""

    def __init__(
        self, database: Database, delivery: Delivery, claim: Claim, version: int, status: Status, *, continued: bool
    ) -> None:
        """`version`: the conversation's, as the turn saw it; `continued`: an earlier owner began to show this reply.

        `status` is the conversation's, which clears it where nothing is said in the end.
        """
        self._version = version
        self._database = database
        self._delivery = delivery
        self._claim = claim
        self._begun: float | None = None
        self._next = 0.0
        self._status = status
        self._showing_status: asyncio.Task[None] | None = None
        self._told = asyncio.Event()
        self._declared = False
        self._unwanted = False
        self.visible = continued

    def begin_status(self, channel: Channel, source_id: str) -> None:
        """Show the status soon, or at once where it also says that the message was read; keep it alive."""
        if self._showing_status is None:
            self._showing_status = asyncio.create_task(self._keep_status(channel, source_id))

    async def finish_status(self, channel: Channel) -> None:
        """There is an answer: show the status no more."""
        if self._showing_status is not None and channel.marks_read:
            with suppress(TimeoutError):
                async with asyncio.timeout(READ_WITHIN_SECONDS):
                    await self._told.wait()
        self.end_status()

    def end_status(self) -> None:
        """Show the status no more, whatever is on its way."""
        if self._showing_status is not None:
            self._showing_status.cancel()

    async def show(self, text: str, channel: Channel) -> None:
        """The answer so far. Raises Fenced when another host has taken over, StaleTurn when the turn is overtaken."""
        if not channel.grows or self._unwanted:
            return
        now = time.monotonic()
        self._begun = self._begun or now
        if now - self._begun < SHOW_AFTER_SECONDS or now < self._next:
            return
        text = channel.split(text)[0]
        try:
            if self.visible:
                await self._grow(text, channel)
            else:
                await self._open(text, channel)
            self._next = time.monotonic() + SHOW_EVERY_SECONDS
        except ChannelBusy as busy:
            self._next = time.monotonic() + busy.retry_after
        except (ChannelOutcomeUnknown, ChannelRefused) as failure:
            # The final delivery finds out whether the message is there, and says so if it is refused.
            log.warning("answer not shown while it grows", reason=str(failure))
            self._next = time.monotonic() + CLAIM_SECONDS

    async def leave(self, channel: Channel) -> None:
        """Nobody wants this answer any more: what is visible stays, and no longer looks as if it went on."""
        external_id = self._claim.reply.external_id
        if not channel.grows or external_id is None:
            return
        try:
            if await self._delivery.hold(self._claim):
                await channel.edit(self._claim.reply, external_id, "")
        except (ChannelBusy, ChannelOutcomeUnknown, ChannelRefused) as failure:
            log.warning("abandoned answer not ended", reason=str(failure))

    async def _open(self, text: str, channel: Channel) -> None:
        claim = self._claim
        self.visible = True
        await self._declare()
        try:
            external_id = await channel.send(claim.reply, text, partial=True)
        except ChannelBusy:
            self.visible = False
            raise
        await self._record(external_id, channel)

    async def _declare(self) -> None:
        """Ours for a while, if the answer is still wanted: an operator may have taken over since."""
        claim = self._claim
        begun = time.monotonic()
        await turns.open_reply(
            self._database, claim.reply, shard=claim.shard, epoch=claim.epoch, version=self._version,
            claim_seconds=CLAIM_SECONDS,
        )  # fmt: skip
        claim.renewed(begun)
        self._declared = True

    async def _grow(self, text: str, channel: Channel) -> None:
        claim = self._claim
        if self._declared and not claim.valid:
            await self._declare()
        elif not await self._delivery.hold(claim):  # an earlier owner may still be writing
            return
        self._declared = True
        if claim.reply.external_id is None:
            seen = await channel.find(claim.reply)
            if seen is None:
                return
            await self._record(seen.external_id, channel)
        if not self._unwanted:
            await channel.edit(claim.reply, claim.reply.external_id or "", text, partial=True)

    async def _record(self, external_id: str, channel: Channel) -> None:
        claim = self._claim
        claim.reply = replace(claim.reply, external_id=external_id)
        if not await self._delivery.record(claim):
            # Erased meanwhile, or the channel was disconnected: what is there ends, and the commit knows what follows.
            self._unwanted = True
            await channel.edit(claim.reply, external_id, "")

    async def _keep_status(self, channel: Channel, source_id: str) -> None:
        await asyncio.sleep(0.0 if channel.marks_read else STATUS_AFTER_SECONDS)
        while True:
            if self._claim.reply.external_id is None:
                await self._status.show(channel, self._claim.reply.address, source_id)
            self._told.set()
            await asyncio.sleep(channel.status_seconds)

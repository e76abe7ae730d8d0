"""Sending replies: each visible exactly once, in order, whatever the channel answers or does not answer."""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

from konstruct.channels import Channel
from konstruct.database.outbox import Outbox, Sent
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, ChannelRefused
from konstruct.failpoints import Failpoint
from konstruct.messages import Reply, Sighting
from konstruct.metrics import Metrics
from konstruct.outage import Outages, Renew, Tell, Trouble

# A request begins only while the claim outlives it, so that a successor never meets one still on its way.
CLAIM_SECONDS = 6.0
LONGEST_REQUEST_SECONDS = 4.5
LONGEST_PAUSE_SECONDS = 60.0
MOST_DOUBLINGS = 10
# What fails for no longer is not left to a successor, who would have to search the channel before it goes on.
SOON_SECONDS = 5.0

log = structlog.get_logger()


class Claim:
    """The right to write one reply to its channel, by this process' own clock."""

    def __init__(self, reply: Reply, shard: int, epoch: int, begun: float | None = None) -> None:
        """`begun`: monotonic time before the statement that took the claim; None = not taken yet."""
        self.reply = reply
        self.shard = shard
        self.epoch = epoch
        # What has never been sent needs no search; a reply found in the outbox may have been.
        self.uncertain = begun is None
        self.trouble = Trouble(reply)
        self._begun = begun
        self._rests_since: float | None = None

    @property
    def valid(self) -> bool:
        """Whether a request that begins now ends before the claim does."""
        return self._begun is not None and time.monotonic() - self._begun < CLAIM_SECONDS - LONGEST_REQUEST_SECONDS

    @property
    def rests(self) -> bool:
        """Whether nothing of it is under way, nor will be soon: a successor can go on with it as well."""
        return self._rests_since is not None and time.monotonic() - self._rests_since > SOON_SECONDS

    @contextmanager
    def resting(self, *, long: bool = False) -> Iterator[None]:
        """Between two tries. `long`: it is known already that there will be none soon."""
        self._rests_since = 0.0 if long else self.trouble.since or time.monotonic()
        try:
            yield
        finally:
            self._rests_since = None

    def lapse(self) -> None:
        """Claim anew before the next request."""
        self._begun = None

    def renewed(self, begun: float) -> None:
        """The database extended the claim; `begun` is the time before it was asked."""
        self._begun = begun


class Delivery:
    """Delivers replies for all conversations of a host; knows which channels asked for patience."""

    def __init__(self, outbox: Outbox, metrics: Metrics, failpoint: Failpoint) -> None:
        """Nothing is opened or started here."""
        self._outbox = outbox
        self._metrics = metrics
        self._failpoint = failpoint
        self._closed_until: dict[tuple[object, str], float] = {}
        self._outages = Outages()

    async def deliver(
        self, claim: Claim, channel: Channel, renew: Renew | None = None, tell: Tell | None = None
    ) -> str | None:
        """Bring the reply out, however long it takes; answers why, if it was set aside. Raises Fenced.

        `renew` gives the channel as it is configured now, the same one where nothing changed. With `tell`, a reply
        waits for an operator where the connection itself is refused; who is told, once for all that waits. They are
        also told of a reply that fails for long, see decisions/0001-claims.md.
        """
        reply = claim.reply
        while True:
            with claim.resting():
                await self._wait_for_gate(reply)
            if renew and tell and (outage := self._outages.of(reply)):
                with claim.resting(long=True):
                    channel = await outage.wait(renew, claim.trouble.until)
                claim.trouble.forget()
            if not await self.hold(claim):
                self._pass_on(reply)
                return None
            try:
                external_id = await self._say(claim, channel)
            except (ChannelBusy, ChannelOutcomeUnknown) as failure:
                # Judged before the pause: how others fare during it says nothing of this try.
                if await self._outages.is_lost(reply, claim.trouble, failure, tell):
                    self.give_up(claim, str(failure))
                    return str(failure)
                await self._put_off(claim, channel, failure)
            except ChannelRefused as refused:
                again = await self._mended(claim, channel, refused, renew, tell)
                if again is None:
                    self.give_up(claim, str(refused))
                    return str(refused) if not (tell and refused.disconnected) else None
                channel = again
            else:
                self.went_out(reply)
                self._failpoint("after_send")
                self._failpoint("before_c3")
                self._outbox.mark_later(Sent(reply.tenant, reply.id, claim.epoch, external_id))
                return None

    async def hold(self, claim: Claim) -> bool:
        """Make sure that the claim is ours and long enough; False = nothing left to send. Raises Fenced."""
        while not claim.valid:
            begun = time.monotonic()
            wait = await self._outbox.claim(claim.reply, shard=claim.shard, epoch=claim.epoch, seconds=CLAIM_SECONDS)
            if wait is None:
                return False
            if wait == 0:
                claim.renewed(begun)
            else:
                await asyncio.sleep(wait)
        return True

    def is_settled(self, reply: UUID) -> bool:
        """Whether the reply is out or given up, although the outbox may not say so yet: never to be sent again."""
        return self._outbox.is_settled(reply)

    def give_up(self, claim: Claim, reason: str) -> None:
        """Set the reply aside: it can never be sent. An operator sees it in the status."""
        log.error("reply set aside", reply=claim.reply.id, reason=reason)
        self._outbox.mark_later(Sent(claim.reply.tenant, claim.reply.id, claim.epoch, None, reason))

    def went_out(self, reply: Reply) -> None:
        """Its connection works, also where it was sent past the outbox."""
        self._outages.end(reply)

    async def record(self, claim: Claim) -> bool:
        """Make the visible message's platform id durable; False where nobody wants it any more. Raises Fenced."""
        return await self._outbox.record_external_id(claim.reply, claim.epoch, claim.reply.external_id or "")

    async def _say(self, claim: Claim, channel: Channel) -> str:
        reply, external_id = claim.reply, claim.reply.external_id
        if external_id is None and claim.uncertain:
            seen = await self._find(reply, channel)
            if seen is not None and not seen.partial:
                return seen.external_id
            external_id = seen.external_id if seen else None
            if seen is None and channel.reconciles_seconds:
                # Nothing in the channel can be searched: this may double the message. Counted, never silent.
                self._metrics.count("konstruct_outbox_retries_total", "blind")
                log.warning("reply sent again without knowing its outcome", reply=reply.id)
            # The search may have outlived the claim. Renewed under our epoch: nobody came between.
            if not await self.hold(claim):
                raise ChannelBusy(0.0)
        if claim.trouble.hopeless and external_id is None:
            raise ChannelRefused(claim.trouble.hopeless)
        if external_id is None:
            return await channel.send(reply, reply.text)
        await channel.edit(reply, external_id, reply.text)
        return external_id

    async def _put_off(self, claim: Claim, channel: Channel, failure: ChannelBusy | ChannelOutcomeUnknown) -> None:
        self._pass_on(claim.reply)
        if isinstance(failure, ChannelBusy):
            self._close_gate(claim.reply, failure.retry_after)
            self._metrics.count("konstruct_outbox_retries_total", "busy")
        else:
            claim.trouble.attempts += 1
            await self._reconcile(claim, channel, failure)

    async def _reconcile(self, claim: Claim, channel: Channel, unknown: ChannelOutcomeUnknown) -> None:
        begun = time.monotonic()
        claim.uncertain = True
        self._metrics.count("konstruct_outbox_retries_total", "unknown")
        log.warning("reply outcome unknown", reply=claim.reply.id, reason=str(unknown))
        for seconds in channel.reconciles_seconds:
            # Whether it is out, the channel reports to the database; look there before it is sent again.
            claim.lapse()
            await asyncio.sleep(begun + seconds - time.monotonic())
            if not await self.hold(claim):
                return
        pause = min(LONGEST_PAUSE_SECONDS, 0.5 * 2 ** min(claim.trouble.attempts, MOST_DOUBLINGS))
        pause *= random.uniform(0.5, 1)  # noqa: S311 - jitter
        with claim.resting():
            await asyncio.sleep(begun + pause - time.monotonic())

    async def _mended(
        self, claim: Claim, channel: Channel, refused: ChannelRefused, renew: Renew | None, tell: Tell | None
    ) -> Channel | None:
        """The channel with which to go on, perhaps after an outage; None = the reply can never be sent."""
        if not refused.disconnected or renew is None:
            self._pass_on(claim.reply)
            return None
        renewed = await renew()
        if renewed is not channel:
            return renewed
        if tell is None or time.time() >= claim.trouble.until:
            return None
        if self._outages.begin(claim.reply, channel, str(refused)):
            await tell(refused)
        return channel

    def _pass_on(self, reply: Reply) -> None:
        if outage := self._outages.of(reply):
            outage.pass_on()

    async def _find(self, reply: Reply, channel: Channel) -> Sighting | None:
        try:
            return await channel.find(reply)
        except ChannelRefused as refused:
            # Without the right to read the history, only the channel's own de-duplication stands between a
            # repeated send and a double: counted and logged, because silence would be worse.
            self._metrics.count("konstruct_outbox_retries_total", "unsearchable")
            log.warning("channel history cannot be searched", reply=reply.id, reason=str(refused))
            return None

    async def _wait_for_gate(self, reply: Reply) -> None:
        while (wait := self._closed_until.get(_gate(reply), 0.0) - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(wait)

    def _close_gate(self, reply: Reply, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._closed_until[_gate(reply)] = max(until, self._closed_until.get(_gate(reply), until))
        for gate in [gate for gate, end in self._closed_until.items() if end < time.monotonic()]:
            del self._closed_until[gate]


def _gate(reply: Reply) -> tuple[object, str]:
    return (reply.tenant, f"{reply.channel}:{reply.address.channel}")

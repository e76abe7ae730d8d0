"""Bringing a conversation's replies out, and telling operators of what cannot be brought out."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from actors.office import NOTICE_PART, Office
from konstruct import notice
from konstruct.channels import Channel
from konstruct.database import amendments
from konstruct.delivery import Claim
from konstruct.errors import ChannelRefused, Fenced, KonstructError
from konstruct.identity import notice_id, outage_id, reply_id
from konstruct.messages import Address, Reply
from konstruct.roster import Assignment, NobodyAssigned

PAUSE_AFTER_FAILURE_SECONDS = 2.0
TELL_AGAIN_SECONDS = (1.0, 5.0, 30.0)
DAY_SECONDS = 86_400

log = structlog.get_logger()


class Notices:
    """What operators are told of one conversation: in order, beside the conversation, which never waits for it."""

    __slots__ = ("_left", "_office", "_on_fenced", "_task")

    def __init__(self, office: Office, on_fenced: Callable[[Fenced], None]) -> None:
        """`on_fenced` is called when another host owns the conversation."""
        self._office = office
        self._on_fenced = on_fenced
        self._left: list[Claim] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""
        return self._task is not None and not self._task.done()

    @property
    def at_work(self) -> list[asyncio.Task[None]]:
        """What has to end before somebody else goes on."""
        return at_work(self._task, self._left)

    def bring_out_later(self, claims: Sequence[Claim]) -> None:
        """Deliver these as well, but for those that are on their way already."""
        under_way = {claim.reply.id for claim in self._left}
        self._left += [claim for claim in claims if claim.reply.id not in under_way]
        if self._left and not self.busy:
            self._task = asyncio.create_task(self._work())

    def forget(self) -> None:
        """End at once; the outbox knows what is left."""
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        structlog.contextvars.unbind_contextvars("request")  # it may come to notices of other turns
        try:
            while self._left:
                await self._bring_out(self._left[0])
                del self._left[0]
        except Fenced as fenced:
            self._on_fenced(fenced)
        finally:
            self._left.clear()

    async def _bring_out(self, claim: Claim) -> None:
        while True:
            try:
                await bring_out(self._office, claim)
            except Fenced:
                raise
            except KonstructError as error:
                log.warning("notice not out yet", reply=claim.reply.id, reason=str(error))
                # Like one found in the outbox: it may be out.
                self._left[0] = claim = Claim(claim.reply, claim.shard, claim.epoch)
                await asyncio.sleep(PAUSE_AFTER_FAILURE_SECONDS)
            else:
                return


def at_work(task: asyncio.Task[None] | None, claims: Sequence[Claim]) -> list[asyncio.Task[None]]:
    """The task that brings these out, unless it has ended, or only waits and can be left to the next owner."""
    return [task] if task and not task.done() and not (claims and claims[0].rests) else []


async def bring_out(office: Office, claim: Claim) -> list[Claim]:
    """Deliver one reply, however long it takes; answers what is to be sent because of that. Raises Fenced."""
    reply = claim.reply
    structlog.contextvars.bind_contextvars(turn=str(reply.turn))
    try:
        assignment = await office.roster.assignment(reply.tenant, reply.channel, reply.address.team)
    except NobodyAssigned as gone:
        if await office.delivery.hold(claim):
            office.delivery.give_up(claim, str(gone))
        return []

    async def renew() -> Channel:
        try:
            now = await office.roster.assignment(reply.tenant, reply.channel, reply.address.team, anew=True)
        except NobodyAssigned:
            return assignment.channel
        return now.channel

    async def tell(trouble: KonstructError) -> None:
        await _tell(office, reply, trouble, assignment.operators)

    with office.measure("send"):
        # A notice waits for nobody: what it tells of is in the log and the status as well.
        told = tell if reply.part < NOTICE_PART else None
        refused = await office.delivery.deliver(claim, assignment.channel, renew, told)
    if refused and reply.part < NOTICE_PART and assignment.operators:
        return [await _notice(office, claim, refused, assignment)]
    return []


async def _tell(office: Office, reply: Reply, trouble: KonstructError, operators: Address | None) -> None:
    """Past the outbox: the conversation itself waits. A host that starts anew tells again."""
    refused, day = isinstance(trouble, ChannelRefused), int(time.time() // DAY_SECONDS)
    if operators is None or (refused and (reply.channel, reply.address.team) == ("slack", operators.team)):
        return
    if refused:
        id_ = outage_id(reply.tenant, reply.channel, reply.address.team, str(trouble), day)
        text = notice.disconnected(reply, str(trouble))
    else:
        id_ = notice_id(reply.tenant, f"stuck:{reply.conversation}:{day}")
        text = notice.stuck(reply, str(trouble), notice.link_to(reply.channel, reply.address))
    told = replace(
        reply,
        id=id_,
        text=text,
        channel="slack",
        address=operators,
        external_id=None,
        source_id="",
    )
    for pause in TELL_AGAIN_SECONDS:
        try:
            slack = await office.roster.assignment(reply.tenant, told.channel, operators.team)
            await slack.channel.send(told, told.text)
        except KonstructError as error:
            log.warning("operators not told", tenant=reply.tenant, reason=str(error))
            await asyncio.sleep(pause)
        else:
            office.delivery.went_out(told)
            return


async def _notice(office: Office, claim: Claim, reason: str, assignment: Assignment) -> Claim:
    reply, part = claim.reply, NOTICE_PART + claim.reply.part
    told = replace(
        reply,
        id=reply_id(reply.tenant, reply.turn, part),
        part=part,
        text=notice.not_delivered(reply, reason, notice.link_to(reply.channel, reply.address)),
        channel="slack",
        address=assignment.operators or reply.address,
        external_id=None,
        source_id="",
    )
    await amendments.queue_reply(office.database, told, shard=claim.shard)
    return Claim(told, claim.shard, claim.epoch)

"""Bringing a conversation's replies out, and telling operators of what cannot be brought out."""

from dataclasses import replace

from actors.office import Office
from actors.turn import NOTICE_PART
from konstruct import notice
from konstruct.channels import Channel
from konstruct.database import amendments
from konstruct.delivery import Claim
from konstruct.identity import reply_id
from konstruct.roster import Assignment, NobodyAssigned


async def bring_out(office: Office, claim: Claim) -> list[Claim]:
    """Deliver one reply, however long it takes; answers what is to be sent because of that. Raises Fenced."""
    reply = claim.reply
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

    with office.measure("send"):
        refused = await office.delivery.deliver(claim, assignment.channel, renew)
    if refused and reply.part < NOTICE_PART and assignment.operators:
        return [await _notice(office, claim, refused, assignment)]
    return []


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

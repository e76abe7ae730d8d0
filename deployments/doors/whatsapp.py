"""WhatsApp's door: the subscription check, and batches of messages, statuses and news of several numbers."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from uuid import UUID

import structlog

from deployments.doors.statuses import charge_of, report_of
from deployments.doors.unproven import BIG_BYTES, Unproven
from deployments.webhooks import HttpAnswer, Intake, said
from konstruct.channels import whatsapp
from konstruct.database import amendments, charges, people
from konstruct.database.amendments import Report
from konstruct.database.charges import Charge
from konstruct.database.people import Whereabouts
from konstruct.database.pool import Database
from konstruct.database.tenants import ChannelRow
from konstruct.directory import Directory, signing
from konstruct.errors import DatabaseUnavailable, Unstorable
from konstruct.group_commit import GroupCommit
from konstruct.identity import shard_of
from konstruct.messages import Address, Inbound

KIND = "whatsapp"
WINDOW_SECONDS = 24 * 3600.0
# Nobody makes us look up more numbers than this without a secret of ours.
UNVERIFIED_NUMBERS = 50
QUOTED_CHARS = 200
STATUS_SECONDS = 2.0

log = structlog.get_logger()

Owners = Mapping[str, ChannelRow]


class WhatsAppDoor:
    """Takes Meta's signed requests."""

    def __init__(
        self, intake: Intake, directory: Directory, database: Database, now: Callable[[], float] = time.time
    ) -> None:
        """`now`: Unix seconds."""
        self._intake = intake
        self._directory = directory
        self._database = database
        self._now = now
        self._unproven = Unproven()
        self._reports: GroupCommit[Report, None] = GroupCommit(self._record)
        self._charges: GroupCommit[Charge, None] = GroupCommit(self._charge)

    async def subscribe(self, _headers: Mapping[str, str], query: Mapping[str, str]) -> HttpAnswer:
        """Meta's check of the URL: the challenge to who knows a verify token, 403 to everybody else."""
        token = query.get("hub.verify_token", "")
        try:
            known = query.get("hub.mode") == "subscribe" and await self._directory.knows_verify_token(KIND, token)
        except DatabaseUnavailable:
            return said(503, "The verify token cannot be looked up now; please try again.")
        if not known:
            return said(403, "No WhatsApp number of this installation was set up with this verify token.")
        return HttpAnswer(200, query.get("hub.challenge", "").encode("utf-8", "replace"), "text/plain")

    async def webhook(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """One batch: 200 only when all of it is stored. Raises KonstructError."""
        signature = whatsapp.check_form(headers.get("x-hub-signature-256"))
        signer = ""
        if len(body) > BIG_BYTES:
            # At its beginning only: the rest of a stranger's 8 MB can hold up everybody's requests for 0.1 s.
            named = whatsapp.glimpse(body[:BIG_BYTES], UNVERIFIED_NUMBERS)
            signer = await self._admit(body, signature, named)
        records = whatsapp.parse(body)
        owners = await self._owners(body, signature, records, signer)
        await self._move(records, owners)
        messages, _ = await asyncio.gather(self._inbound(records, owners), self._report(records, owners))
        await self._intake.hear(*messages)
        await self._keep(records, owners, body)
        return HttpAnswer(200)

    async def _admit(self, body: bytes, signature: bytes, numbers: Sequence[str]) -> str:
        """Before it costs us more: the secret that signed it; raises SignatureRejected where none of ours did."""
        own = await self._own(numbers[:UNVERIFIED_NUMBERS])
        likely = (secret for row in own.values() for secret in signing(row))
        return await self._signer(body, signature, list(dict.fromkeys([*likely, *await self._every_secret()])))

    async def _owners(self, body: bytes, signature: bytes, records: Sequence[whatsapp.Record], signer: str) -> Owners:
        """The channels of this batch whose own secret signed it; raises SignatureRejected where nobody's did.

        A batch may name numbers of several tenants: what the others' secrets did not sign is not theirs.
        """
        numbers = sorted({record.number for record in records if record.number})
        if len(numbers) > UNVERIFIED_NUMBERS and not signer:
            signer = await self._admit(body, signature, numbers)
        own = await self._own(numbers)
        secrets = tuple({secret for row in own.values() for secret in signing(row)})
        # News of an account names no number; a number that is not ours is no reason to let Meta try for days.
        if not signer or (secrets and signer not in secrets):
            signer = await self._signer(body, signature, secrets or await self._every_secret())
        trusted = {number: row for number, row in own.items() if signer in signing(row)}
        for number in numbers:
            if number not in trusted:
                reason = "signed with another number's secret" if number in own else "not a number of ours"
                log.warning("records dropped", channel=KIND, number=number, reason=reason)
        return trusted

    async def _own(self, numbers: Sequence[str]) -> Owners:
        found = await asyncio.gather(*(self._directory.find(KIND, "", number) for number in numbers))
        return {candidates.own.team: candidates.own for candidates in found if candidates.own}

    async def _signer(self, body: bytes, signature: bytes, secrets: Sequence[str]) -> str:
        return await self._unproven.check(body, secrets, partial(whatsapp.verify, body, signature))

    async def _every_secret(self) -> Sequence[str]:
        return (await self._directory.find(KIND, "", "")).secrets

    async def _move(self, records: Sequence[whatsapp.Record], owners: Owners) -> None:
        for record in records:
            if isinstance(record, whatsapp.Moved) and (row := owners.get(record.number)):
                where = Whereabouts(row.tenant, KIND, record.number)
                after = record.after
                await people.move(
                    self._database, where, record.before, after.aliases,
                    recipient=after.recipient, at=self._past(record.at),
                )  # fmt: skip
                log.info("contact has other ids", channel=KIND, tenant=row.tenant, number=record.number)

    async def _inbound(self, records: Sequence[whatsapp.Record], owners: Owners) -> list[Inbound]:
        said = (record for record in records if isinstance(record, whatsapp.Said) and record.number in owners)
        heard = [(record, owners[record.number]) for record in sorted(said, key=_order)]
        known: dict[tuple[UUID, str, tuple[str, ...]], people.Found] = {}
        messages = []
        for record, row in heard:
            key = (row.tenant, record.number, record.person.aliases)
            if key not in known:
                where = Whereabouts(row.tenant, KIND, record.number)
                known[key] = await people.resolve(
                    self._database, where, record.person.aliases, self._past(record.at), record.person.recipient
                )
            if record.kind == "operator" and await self._is_own(record, row, known[key].contact):
                log.info("echo ignored", channel=KIND, reason="the employee's own answer")
                continue
            text = await self._in_context(record, row)
            messages.append(_message(record, row, known[key], self._past(record.at), text))
        return messages

    async def _is_own(self, echo: whatsapp.Said, row: ChannelRow, contact: str) -> bool:
        """Whether the employee itself said so: an echo may be faster than the answer that tells the message's id."""
        conversation = Whereabouts(row.tenant, KIND, echo.number).conversation(contact)
        words = await people.own_words(self._database, row.tenant, conversation, echo.id)
        said = echo.text.split()
        return any(id_ == echo.id or whatsapp.written(text).split() == said for id_, text in words)

    async def _in_context(self, record: whatsapp.Said, row: ChannelRow) -> str:
        """The text, after the answer that it quotes. Never what a contact said: that may be taken back one day."""
        if not record.quoted:
            return record.text
        quoted = " ".join((await people.quoted_reply(self._database, row.tenant, record.quoted) or "").split())
        short = quoted if len(quoted) <= QUOTED_CHARS else f"{quoted[:QUOTED_CHARS]}…"
        return f"[in reply to: {short}] {record.text}".strip() if short else record.text

    async def _report(self, records: Sequence[whatsapp.Record], owners: Owners) -> None:
        told = []
        for record in records:
            if isinstance(record, whatsapp.Status) and (row := owners.get(record.number)):
                told.append((record, self._reports.add(report_of(row.tenant, record))))
                if charge := charge_of(row.tenant, record, self._past(record.at)):
                    told.append((record, self._charges.add(charge)))
        for record, durable in told:
            try:
                await durable
            except Unstorable as refused:
                # Without the rest of the batch: what people said there no erasure would find.
                await self._intake.keep_unstorable(KIND, refused, record)

    async def _record(self, reports: list[Report]) -> list[None]:
        await amendments.record(self._database, reports, seconds=STATUS_SECONDS)
        return [None] * len(reports)

    async def _charge(self, told: list[Charge]) -> list[None]:
        await charges.record(self._database, told, seconds=STATUS_SECONDS)
        return [None] * len(told)

    async def _keep(self, records: Sequence[whatsapp.Record], owners: Owners, body: bytes) -> None:
        reasons = []
        for record in records:
            match record:
                case whatsapp.Unreadable() if not record.number or record.number in owners:
                    reasons.append(record.reason)
                case whatsapp.Notice(alarming=True):
                    log.error("whatsapp account", account=record.account, topic=record.topic, told=record.text)
                case whatsapp.Notice():
                    log.info("whatsapp account", account=record.account, topic=record.topic, told=record.text)
        if reasons:
            await self._intake.keep_malformed(KIND, "; ".join(dict.fromkeys(reasons))[:1000], body)

    def _past(self, at: float) -> float:
        """When it was said, as far as Meta tells; never in the future."""
        return min(at or self._now(), self._now())


def _order(record: whatsapp.Said) -> tuple[float, bool]:
    """As it was said, whatever the order in the batch; what changes a message comes after it in the same second."""
    return record.at or math.inf, bool(record.target)


def _message(record: whatsapp.Said, row: ChannelRow, known: people.Found, at: float, text: str) -> Inbound:
    where = Whereabouts(row.tenant, KIND, record.number)
    conversation = where.conversation(known.contact)
    # What a human of the business says opens no window.
    until = None if record.kind == "operator" else at + WINDOW_SECONDS
    return Inbound(
        tenant=row.tenant,
        channel=KIND,
        event=record.id,
        conversation=conversation,
        shard=shard_of(conversation),
        address=Address(record.number, known.recipient, private=True, open_until=until),
        contact=known.contact,
        text=text,
        source_id=record.id,
        kind=record.kind,
        target=record.target,
        attachments=record.attachments,
        said_at=at,
    )

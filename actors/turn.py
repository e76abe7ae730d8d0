"""One turn: decide, recall, think, commit. Nothing here is remembered if it does not commit."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import structlog

from actors.allowance import Allowance
from actors.costing import measure, usage_of
from actors.enclosures import Opened, open_all
from actors.minutes import Minutes
from actors.office import Knowledge, Office
from actors.showing import Showing
from actors.telling import tell_of_models, told_of_handover
from konstruct import disclosure, prompt
from konstruct.database import amendments, memories, turns
from konstruct.delivery import CLAIM_SECONDS, Claim
from konstruct.errors import ModelRefused, ModelUnavailable
from konstruct.identity import reply_id, turn_id
from konstruct.messages import Heard, Reply, requests_of
from konstruct.models import Answer, Usage
from konstruct.roster import Assignment
from konstruct.triage import Decision

T = TypeVar("T")
TURN_SECONDS = 120.0

log = structlog.get_logger()


class Interrupted(Exception):
    """The turn must begin anew, or not at all: something arrived that changes what it answers."""


class Turn:
    """Answers the messages given to it, in one commit."""

    def __init__(self, office: Office, heard: Sequence[Heard], epoch: int, known: Knowledge) -> None:
        """`heard`: in the order of the inbox, at least one; `known` learns of it from its owner."""
        first, last = heard[0], next((h for h in reversed(heard) if h.kind == "message"), heard[-1])
        self.heard = heard
        self.minutes = Minutes(heard, known.version + 1)
        self.decision: Decision | None = None
        self.claims: list[Claim] = []
        self._office = office
        self._epoch = epoch
        self._known = known
        turn = turn_id(first.tenant, first.conversation, first.id)
        self._reply = Reply(
            reply_id(first.tenant, turn, 0), first.tenant, first.conversation, turn, 0, "", first.channel,
            last.address, source_id=last.source_id,
        )  # fmt: skip
        # What an earlier owner had begun to show goes on where it is, in the same message.
        begun = known.streaming.get(self._reply.id)
        if begun:
            self._reply = replace(self._reply, address=begun.address, source_id=begun.source_id)
        self._allowance = Allowance(office, first, turn, known.calls_of(turn))
        self._claim = Claim(begun or self._reply, first.shard, epoch)
        self._showing = Showing(
            office.database, office.delivery, self._claim, known.version, known.status, continued=begun is not None
        )
        self._newest = next((h for h in reversed(heard) if h.kind in ("message", "unsupported")), last).source_id
        self._opened = Opened(heard, heard)
        self._thinking: asyncio.Task[Any] | None = None
        self._interruptible = True
        self._stopped = False

    def disturb(self, heard: Heard) -> None:
        """What arrives meanwhile may join this turn, while nothing of the answer is visible; correct it, or end it."""
        if heard.kind in ("message", "unsupported", "delete"):
            if self._interruptible and not self._showing.visible:
                self._stop()
        elif heard.kind == "operator" or any(h.source_id == heard.target for h in self.heard if heard.kind == "edit"):
            self._stop()

    async def run(self, *, interruptible: bool) -> None:
        """Think and commit; raises Interrupted, Fenced, StaleTurn or DatabaseUnavailable with nothing written."""
        self._interruptible = interruptible
        first = self.heard[0]
        # Until its conversation's next step: what is told of its failure names them, too.
        structlog.contextvars.bind_contextvars(turn=str(self._reply.turn), request=requests_of(self.heard))
        begun = time.perf_counter()
        assignment = await self._office.roster.assignment(first.tenant, first.channel, first.address.team)
        try:
            await self._answer(assignment)
        finally:
            self._showing.end_status()
        self._office.metrics.observe("konstruct_turn_seconds", time.perf_counter() - begun, "whole")

    def _stop(self) -> None:
        """Think no further: what is answered has changed. Too late once the commit is on its way."""
        self._interruptible = False
        self._stopped = True
        if self._thinking is not None:
            self._thinking.cancel()

    async def _answer(self, assignment: Assignment) -> None:
        await self._open(assignment)
        decision = self._office.decide(self._opened.said, self._known, assignment)
        if decision.asks or (decision.text and assignment.channel.marks_read):
            self._showing.begin_status(assignment.channel, self._newest)
        result = await self._think(assignment) if decision.asks else None
        if not (result or decision.text):
            await self._showing.leave(assignment.channel)
        if result is not None and not result.calls:
            decision = replace(decision, counters=decision.counters.unsatisfied)
        await self._showing.finish_status(assignment.channel)
        await self._commit(assignment, decision, result)
        log.info(
            "turn committed", messages=len(self.heard), outcome=decision.outcome,
            model=result.model_name if result else None,
        )  # fmt: skip
        await tell_of_models(self._office, assignment, self._reply, result, self._allowance.failed)

    async def _open(self, assignment: Assignment) -> None:
        if any(heard.attachments for heard in self.heard):
            with self._office.measure("files"):
                if not self._known.paused:
                    self._showing.begin_status(assignment.channel, self._newest)
                self._opened = await self._stoppable(open_all(self._office.media, assignment, self.heard, self._note))
            self.minutes = Minutes(self._opened.heard, self.minutes.turn)

    async def _note(self, message: Heard, digest: str) -> None:
        await amendments.note_file(self._office.database, message, digest, epoch=self._epoch)

    async def _think(self, assignment: Assignment) -> Answer:
        try:
            return await self._stoppable(self._ask(assignment))
        except (ModelUnavailable, ModelRefused) as failure:
            log.warning("no model answered", reason=str(failure))
            self._office.metrics.count("konstruct_turns_total", "apologised")
            return Answer(prompt.APOLOGY, assignment.models[0].name, Usage(0, 0), 0)

    async def _stoppable(self, work: Coroutine[Any, Any, T]) -> T:
        if self._stopped:
            work.close()
            raise Interrupted
        self._thinking = thinking = asyncio.create_task(work)
        try:
            return await thinking
        except asyncio.CancelledError:
            thinking.cancel()
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise
            if self._stopped:
                raise Interrupted from None
            raise RuntimeError("What the turn waited for was cancelled, and not by the conversation.") from None
        finally:
            self._thinking = None

    async def _ask(self, assignment: Assignment) -> Answer:
        if assignment.quiet_seconds:
            await asyncio.sleep(assignment.quiet_seconds)
        with self._office.measure("recall"):
            recalled = await self._recall()
        spoken = [*self._known.window, *self.minutes.spoken]
        offers = bool(assignment.options.get("offer_choices"))
        pictures = [*self._known.album.at(self.minutes.turn), *self._opened.pictures]
        messages = prompt.build(
            assignment.name, assignment.instructions, recalled, spoken, pictures=pictures,
            offers_choices=offers,
        )  # fmt: skip
        self._office.failpoint("during_model")
        asked = any(disclosure.asked(heard.text) for heard in self._opened.said)
        with self._office.measure("model"):
            result = await self._allowance.ask(
                assignment,
                messages,
                deadline=TURN_SECONDS,
                # What is checked before it is said must not be seen while it grows.
                on_delta=_ignore if asked else lambda text: self._showing.show(text, assignment.channel),
            )
        return replace(result, text=disclosure.disclosed(result.text, assignment.name)) if asked else result

    async def _recall(self) -> list[str]:
        first = self.heard[0]
        scope = memories.Scope(
            first.tenant, first.conversation, tuple(self.minutes.contacts), first.address.private, self._known.window
        )
        question = " ".join(h.text for h in self._opened.heard)
        return await self._known.recollection.recall(
            self._office.database, self._office.embedding.embed, scope, question
        )

    async def _commit(self, assignment: Assignment, decision: Decision, result: Answer | None) -> None:
        text = result.text if result else decision.text
        if text:
            self.minutes.answered(text)
        if result:
            self.minutes.remember(text)
        replies = self._replies(assignment, decision, text)
        usage = usage_of(assignment.employee, result, self._allowance.calls, assignment.terms)
        outcome = self.minutes.outcome(self._reply.turn, decision, replies, self._known.contacts, usage)
        outcome = replace(outcome, budget=self._allowance.settlement(assignment, self._reply) if usage else None)
        self._office.failpoint("before_c2")
        begun = time.monotonic()
        with self._office.measure("commit"):
            reached = await turns.commit(
                self._office.database,
                outcome,
                epoch=self._epoch,
                version=self._known.version,
                claim_seconds=CLAIM_SECONDS,
            )
        self._office.failpoint("after_c2")
        if text and not assignment.channel.reacts(text):
            self._known.status.give_way()
        self.decision = decision
        self.claims = [self._claimed(reply, begun) for reply in replies]
        self._follow_up(usage, reached)

    def _replies(self, assignment: Assignment, decision: Decision, text: str) -> list[Reply]:
        parts = assignment.channel.split(text) if text else []
        replies = [
            replace(self._part(number, part), last=number == len(parts) - 1) for number, part in enumerate(parts)
        ]
        window = [*self._known.window, *self.minutes.spoken]
        return replies + told_of_handover(assignment, decision, window, self._reply)

    def _part(self, number: int, text: str) -> Reply:
        id_ = reply_id(self._reply.tenant, self._reply.turn, number)
        return replace(self._claim.reply if number == 0 else self._reply, id=id_, part=number, text=text)

    def _claimed(self, reply: Reply, begun: float) -> Claim:
        claim = Claim(reply, self._claim.shard, self._epoch, begun)
        claim.uncertain = reply.part == 0 and self._showing.visible and reply.external_id is None
        return claim

    def _follow_up(self, usage: dict[str, Any] | None, reached: Sequence[int]) -> None:
        self._known.album.keep(self.minutes.turn, self._opened.pictures)
        for contact, text in self.minutes.remembered:
            self._office.embedding.embed_later(memories.MemoryKey(self._reply.tenant, self._reply.turn, contact), text)
        self._office.metrics.count("konstruct_turns_total", "committed")
        if usage:
            measure(self._office.metrics, usage, reached)


async def _ignore(_text: str) -> None:
    """Show nothing."""

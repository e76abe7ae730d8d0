"""One turn: recall, think, commit. Nothing here is remembered if it does not commit."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import structlog

from actors.recollection import Embedding, Recollection
from actors.showing import Showing
from konstruct import disclosure, prompt
from konstruct.database import memories, turns
from konstruct.database.pool import Database
from konstruct.delivery import CLAIM_SECONDS, Claim, Delivery
from konstruct.errors import ModelRefused, ModelUnavailable
from konstruct.failpoints import Failpoint
from konstruct.identity import contact_id, reply_id, turn_id
from konstruct.messages import Heard, Reply, Spoken
from konstruct.metrics import Metrics
from konstruct.models import Answer, Usage
from konstruct.models.policy import answer
from konstruct.roster import Assignment, Roster

TURN_SECONDS = 120.0
# A backlog must not share one model so thinly that every turn runs into its deadline.
TURNS_AT_ONCE = 64
# Of the question and of the answer: the embedder reads 256 tokens of both together.
MEMORY_CHARS = 500

log = structlog.get_logger()


class Interrupted(Exception):
    """Another message arrived before anything of the answer was visible."""


@dataclass(frozen=True, slots=True)
class Office:
    """What all conversations of a host share."""

    database: Database
    roster: Roster
    delivery: Delivery
    embedding: Embedding
    metrics: Metrics
    failpoint: Failpoint
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TURNS_AT_ONCE))
    isolation: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Observe how long a stage of the turn takes."""
        begun = time.perf_counter()
        yield
        self.metrics.observe("konstruct_turn_seconds", time.perf_counter() - begun, stage)


@dataclass(slots=True)
class Knowledge:
    """What a conversation knows between turns; `streaming`: replies that an earlier owner had begun to show."""

    version: int = 0
    window: tuple[Spoken, ...] = ()
    contacts: frozenset[UUID] = frozenset()
    streaming: frozenset[UUID] = frozenset()
    recollection: Recollection = field(default_factory=Recollection)


class Turn:
    """Answers the messages given to it, in one commit."""

    def __init__(self, office: Office, heard: Sequence[Heard], epoch: int, known: Knowledge) -> None:
        """`heard`: in the order of the inbox, at least one; `known` is only read here."""
        first = heard[0]
        self.heard = heard
        self.contacts = {contact_id(first.tenant, h.channel, h.contact): h.contact for h in heard}
        self.spoken: list[Spoken] = [Spoken("contact", h.text, known.version + 1) for h in heard]
        self._office = office
        self._epoch = epoch
        self._known = known
        turn = turn_id(first.tenant, first.conversation, first.id)
        self._reply = Reply(
            reply_id(first.tenant, turn, 0), first.tenant, first.conversation, turn, 0, "", first.channel, first.address
        )
        self.claims: list[Claim] = []
        self._claim = Claim(self._reply, first.shard, epoch)
        self._showing = Showing(
            office.database, office.delivery, self._claim, continued=self._reply.id in known.streaming
        )
        self._thinking: asyncio.Task[Answer] | None = None
        self._interruptible = True

    def interrupt(self) -> None:
        """Let another message join, if nothing of the answer is visible and the turn may still begin anew."""
        if self._thinking is not None and self._interruptible and not self._showing.visible:
            self._interruptible = False
            self._thinking.cancel()

    async def run(self, *, interruptible: bool) -> None:
        """Think and commit; raises Interrupted, Fenced, StaleTurn or DatabaseUnavailable with nothing written."""
        self._interruptible = interruptible
        first = self.heard[0]
        with structlog.contextvars.bound_contextvars(
            tenant=str(first.tenant), conversation=str(first.conversation), turn=str(self._reply.turn)
        ):
            begun = time.perf_counter()
            assignment = await self._office.roster.assignment(first.tenant, first.channel, first.address.team)
            result = await self._think(assignment)
            await self._commit(assignment, result)
            self._office.metrics.observe("konstruct_turn_seconds", time.perf_counter() - begun, "whole")
            log.info("turn committed", messages=len(self.heard), model=result.model_name, calls=result.calls)

    async def _think(self, assignment: Assignment) -> Answer:
        self._thinking = asyncio.create_task(self._ask(assignment))
        status = self._showing.keep_status(assignment, self.heard[-1].source_id)
        try:
            return await self._thinking
        except asyncio.CancelledError:
            if self._thinking.cancelled() and not asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise Interrupted from None
            self._thinking.cancel()
            raise
        except (ModelUnavailable, ModelRefused) as failure:
            log.warning("no model answered", reason=str(failure))
            self._office.metrics.count("konstruct_turns_total", "apologised")
            return Answer(prompt.APOLOGY, assignment.models[0].name, Usage(0, 0), 0)
        finally:
            self._thinking = None
            status.cancel()

    async def _ask(self, assignment: Assignment) -> Answer:
        if assignment.quiet_seconds:
            await asyncio.sleep(assignment.quiet_seconds)
        with self._office.measure("recall"):
            recalled = await self._recall()
        messages = prompt.build(assignment.name, assignment.instructions, recalled, [*self._known.window, *self.spoken])
        self._office.failpoint("during_model")
        asked = any(disclosure.asked(heard.text) for heard in self.heard)
        with self._office.measure("model"):
            result = await answer(
                assignment.models,
                messages,
                deadline=TURN_SECONDS,
                # What is checked before it is said must not be seen while it grows.
                on_delta=_ignore if asked else lambda text: self._showing.show(text, assignment.channel),
            )
        return replace(result, text=disclosure.disclosed(result.text, assignment.name)) if asked else result

    async def _recall(self) -> list[str]:
        first = self.heard[0]
        scope = memories.Scope(
            first.tenant, first.conversation, tuple(self.contacts), first.address.private, self._known.window
        )
        question = " ".join(h.text for h in self.heard)
        return await self._known.recollection.recall(
            self._office.database, self._office.embedding.embed, scope, question
        )

    async def _commit(self, assignment: Assignment, result: Answer) -> None:
        self.spoken.append(Spoken("employee", result.text, self._known.version + 1))
        parts = [self._part(number, text) for number, text in enumerate(assignment.channel.split(result.text))]
        outcome = self._outcome(assignment, result, [*(replace(part, last=False) for part in parts[:-1]), parts[-1]])
        self._office.failpoint("before_c2")
        begun = time.monotonic()
        with self._office.measure("commit"):
            await turns.commit(
                self._office.database,
                outcome,
                epoch=self._epoch,
                version=self._known.version,
                claim_seconds=CLAIM_SECONDS,
            )
        self._office.failpoint("after_c2")
        self.claims = self._claims(outcome.replies, begun)
        for contact, text in _memories(self, result.text):
            self._office.embedding.embed_later(memories.MemoryKey(self._reply.tenant, self._reply.turn, contact), text)
        self._office.metrics.count("konstruct_turns_total", "committed")
        self._office.metrics.count("konstruct_model_tokens_total", "prompt", result.usage.prompt_tokens)
        self._office.metrics.count("konstruct_model_tokens_total", "completion", result.usage.completion_tokens)

    def _part(self, number: int, text: str) -> Reply:
        id_ = reply_id(self._reply.tenant, self._reply.turn, number)
        return replace(self._claim.reply if number == 0 else self._reply, id=id_, part=number, text=text)

    def _claims(self, replies: Sequence[Reply], begun: float) -> list[Claim]:
        claims = [Claim(reply, self._claim.shard, self._epoch, begun) for reply in replies]
        claims[0].uncertain = self._showing.visible and replies[0].external_id is None
        return claims

    def _outcome(self, assignment: Assignment, result: Answer, replies: Sequence[Reply]) -> turns.Outcome:
        said: list[dict[str, Any]] = [
            {"role": "contact", "contact": str(contact_id(h.tenant, h.channel, h.contact)), "text": h.text}
            for h in self.heard
        ]
        said.append({"role": "employee", "contact": None, "text": result.text})
        private = self.heard[0].address.private
        return turns.Outcome(
            turn=self._reply.turn,
            heard=self.heard,
            contacts={id_: name for id_, name in self.contacts.items() if id_ not in self._known.contacts},
            said=said,
            memories=[
                {"contact": str(contact), "private": private, "text": text}
                for contact, text in _memories(self, result.text)
            ],
            replies=replies,
            usage={
                "employee": str(assignment.employee),
                "model": result.model_name,
                "calls": result.calls,
                "prompt_tokens": result.usage.prompt_tokens,
                "completion_tokens": result.usage.completion_tokens,
            },
        )


async def _ignore(_text: str) -> None:
    """Show nothing."""


def _memories(turn: Turn, answered: str) -> list[tuple[UUID, str]]:
    """One memory per contact of the turn: what they said and what they were told."""
    found = []
    for contact, external in turn.contacts.items():
        asked = " ".join(h.text for h in turn.heard if h.contact == external)
        found.append((contact, f"They said: {asked[:MEMORY_CHARS]}\nYou said: {answered[:MEMORY_CHARS]}"))
    return found

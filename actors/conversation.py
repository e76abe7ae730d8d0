"""One conversation: its own mailbox, one turn at a time, its own window. A virtual actor inside a host."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable
from itertools import takewhile
from uuid import UUID

import structlog

from actors import amending
from actors.attempts import count, survivors
from actors.office import NOTICE_PART, Knowledge, Office
from actors.patience import Patience
from actors.sending import Notices, at_work, bring_out
from actors.turn import Interrupted, Turn
from konstruct.database import turns
from konstruct.delivery import Claim
from konstruct.errors import PASSING, Fenced, KonstructError, StaleTurn
from konstruct.messages import Heard, Ownership

PAUSE_AFTER_FAILURE_SECONDS = 0.5
PAUSE_AFTER_SURPRISE_SECONDS = 5.0  # each leaves a traceback in the log
SETTLE_LOOK_SECONDS = 0.5
LOOK_BESIDE_NOTICES_SECONDS = 5.0  # a sweep finds a conversation every second while a notice is on its way

log = structlog.get_logger()


class Conversation:
    """Runs turns while there is something to answer; holds no task and no connection when idle."""

    __slots__ = (
        "_activated", "_answered_through", "_heard_at", "_known", "_looked_at", "_notices", "_office", "_on_end",
        "_owned", "_replies", "_task", "_turn", "_waiting", "touched",
    )  # fmt: skip

    def __init__(self, owned: Ownership, office: Office, on_end: Callable[["Conversation"], None]) -> None:
        """`on_end` is called when the conversation must be forgotten: it was fenced."""
        self.touched = 0.0
        self._owned = owned
        self._office = office
        self._on_end = on_end
        self._activated = False
        self._answered_through = 0
        self._heard_at = 0.0
        self._known = Knowledge()
        self._looked_at = 0.0
        self._waiting: list[Heard] = []
        self._replies: list[Claim] = []
        self._notices = Notices(office, self._fenced)
        self._turn: Turn | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def id(self) -> UUID:
        """The conversation's id."""
        return self._owned.conversation

    @property
    def busy(self) -> bool:
        """Whether a turn or a delivery is running."""
        return self._task is not None or self._notices.busy or bool(self._known.status.at_work)

    def hear(self, heard: Heard) -> None:
        """A durable message arrived. It joins the running turn while nothing of the answer is visible."""
        if heard.id <= self._answered_through:
            self.look()
            return
        place = bisect_left(self._waiting, heard.id, key=lambda waiting: waiting.id)
        if place == len(self._waiting) or self._waiting[place].id != heard.id:
            self._waiting.insert(place, heard)
            self._heard_at = time.monotonic()
            if self._turn is not None:
                self._turn.disturb(heard)
        self._start()

    def look(self) -> None:
        """Something waits in PostgreSQL that nobody told us of: read everything anew."""
        recently = time.monotonic() < self._looked_at + LOOK_BESIDE_NOTICES_SECONDS
        if self._task is None and not (recently and self._notices.busy):
            self._activated = False
            self._start()

    def forget(self) -> None:
        """End at once, wherever the turn is; PostgreSQL knows everything that matters."""
        self._notices.forget()
        self._known.status.forget()
        if self._task is not None:
            self._task.cancel()

    async def settle(self) -> None:
        """Wait until nothing is left to do, or only what waits for better times as well in the outbox."""
        while tasks := at_work(self._task, self._replies) + self._notices.at_work + self._known.status.at_work:
            await asyncio.wait(tasks, timeout=SETTLE_LOOK_SECONDS)

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        # Of this task only: whatever it does, its lines in the log say for whom.
        structlog.contextvars.bind_contextvars(tenant=str(self._owned.tenant), conversation=str(self.id))
        try:
            while not self._activated or self._replies or self._waiting or self._known.status.lingers:
                await self._step()
        except Fenced as fenced:
            self._fenced(fenced)
        finally:
            self._task = None

    def _fenced(self, fenced: Fenced) -> None:
        log.warning("conversation fenced", reason=str(fenced))
        self._office.metrics.count("konstruct_fenced_total")
        self._on_end(self)

    async def _step(self) -> None:
        structlog.contextvars.unbind_contextvars("turn", "request")  # what the last step was about
        try:
            if not self._activated:
                await self._activate()
            elif amendment := self._amendment():
                await self._amend(amendment)
            elif self._replies:
                await self._deliver()
            elif self._waiting:
                await self._take_turn(self._to_answer())
            else:
                self._known.status.clear_later()
        except Fenced:
            raise
        except StaleTurn:
            self._activated = False
        except Exception as error:  # noqa: BLE001 - whatever it is, a conversation that ends here never answers again
            write = log.warning if isinstance(error, PASSING) else log.exception
            write("conversation stuck, trying again", reason=f"{type(error).__name__}: {error}")
            self._activated = False
            usual = PAUSE_AFTER_FAILURE_SECONDS if isinstance(error, KonstructError) else PAUSE_AFTER_SURPRISE_SECONDS
            await asyncio.sleep(getattr(error, "retry_after", None) or usual)

    async def _activate(self) -> None:
        self._looked_at, known = time.monotonic(), {heard.id for heard in self._waiting}
        async with self._office.activations.slot(self._owned.tenant):
            state = await turns.activate(self._office.database, self._owned.tenant, self.id, self._owned.shard)
        self._known.read(state)
        # What was heard while PostgreSQL was read may have been committed after it looked.
        known.update(heard.id for heard in state.waiting)
        self._waiting = state.waiting + [heard for heard in self._waiting if heard.id not in known]
        left = [reply for reply in state.replies if not self._office.delivery.is_settled(reply.id)]
        self._replies = []
        self._send([Claim(reply, self._owned.shard, self._owned.epoch) for reply in left])
        self._activated = True

    def _amendment(self) -> Heard | None:
        """The first edit or deletion. An answer that is visible already is finished before its question goes."""
        whole = not self._known.streaming or (self._waiting and self._waiting[0].kind == "delete")
        return next((h for h in self._waiting if h.kind == "edit" or (h.kind == "delete" and whole)), None)

    async def _amend(self, amendment: Heard) -> None:
        await amending.apply(self._office, amendment, self._owned.epoch)
        self._waiting = [waiting for waiting in self._waiting if waiting.id != amendment.id]
        self._activated = False

    def _to_answer(self) -> list[Heard]:
        return list(takewhile(lambda heard: heard.kind != "delete", self._waiting))

    def _send(self, claims: list[Claim]) -> None:
        """Replies go out in order, before the next turn; notices beside it."""
        self._replies += [claim for claim in claims if claim.reply.part < NOTICE_PART]
        self._notices.bring_out_later([claim for claim in claims if claim.reply.part >= NOTICE_PART])

    async def _deliver(self) -> None:
        more = await bring_out(self._office, self._replies[0])
        del self._replies[0]
        self._send(more)

    async def _take_turn(self, heard: list[Heard]) -> None:
        """Answer what waits. A message that survived a crash of its host is first counted, then tried alone."""
        if not heard:
            raise StaleTurn("An answer was begun for a message that is gone.")
        await self._office.prepare(heard[0])
        suspect = next((h for h in heard if h.epoch < self._owned.calm_epoch or h.attempts), None)
        if suspect is None:
            await self._answer(heard)
        elif not suspect.attempts:
            await self._count(survivors(self._known, heard, self._owned.calm_epoch), None)
            await self._answer(heard, counted=True)
        else:
            async with self._office.isolation.slot(self._owned.tenant):
                crashed = survivors(self._known, heard[:1], self._owned.calm_epoch)
                if not await self._count(crashed, None):
                    await self._answer(heard[:1], counted=bool(crashed), alone=True)

    async def _answer(self, heard: list[Heard], *, counted: bool = False, alone: bool = False) -> None:
        """One turn; unless `alone`, messages that arrive in time join it. `counted`: their attempt is on record."""
        patience = Patience()
        if not alone and len(heard) > 1 and not self._overtaken():
            await patience.until_quiet(lambda: self._heard_at)  # a burst: perhaps more is to come
        async with self._office.turns.slot(self._owned.tenant) as crowded:
            heard = heard if alone else self._to_answer()  # what came meanwhile
            while not self._amendment():
                try:
                    await self._run(heard, interruptible=patience.lasts and not (alone or crowded))
                except Interrupted:
                    if not self._overtaken():
                        await patience.for_joins(lambda: self._heard_at)
                    if self._overtaken():
                        raise StaleTurn from None
                    heard = self._to_answer()
                except (Fenced, StaleTurn, *PASSING):
                    raise
                except Exception as error:  # noqa: BLE001 - whatever it is, the conversation goes on
                    await self._fail([] if counted else heard, error)
                    return
                else:
                    return

    def _overtaken(self) -> bool:
        """Whether something waits that changes what is known, and not only what is to be answered."""
        return self._amendment() is not None or any(waiting.kind == "operator" for waiting in self._waiting)

    async def _run(self, heard: list[Heard], *, interruptible: bool) -> None:
        self._turn = turn = Turn(self._office, heard, self._owned.epoch, self._known)
        try:
            await turn.run(interruptible=interruptible)
        finally:
            self._turn = None
        self._absorb(turn)

    def _absorb(self, turn: Turn) -> None:
        if turn.decision is not None:
            minutes, decision = turn.minutes, turn.decision
            self._known.learn(minutes.spoken, frozenset(minutes.contacts), decision.counters, decision.pause)
        answered = {heard.id for heard in turn.heard}
        self._waiting = [waiting for waiting in self._waiting if waiting.id not in answered]
        self._answered_through = max(answered)
        self._send(turn.claims)

    async def _fail(self, heard: list[Heard], error: Exception) -> None:
        log.error("turn failed", exc_info=error)
        self._office.metrics.count("konstruct_turns_total", "failed")
        await self._count(heard, f"{type(error).__name__}: {error}")
        self._activated = False
        await asyncio.sleep(PAUSE_AFTER_FAILURE_SECONDS)

    async def _count(self, heard: list[Heard], error: str | None) -> set[int]:
        dead = await count(self._office, self._known, heard, self._owned.epoch, error)
        self._waiting = [waiting for waiting in self._waiting if waiting.id not in dead]
        return dead

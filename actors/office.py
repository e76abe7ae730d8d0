"""What all conversations of a host share, and what one conversation knows between its turns."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from actors.enclosures import Album, Reading
from actors.recollection import Embedding, Recollection
from actors.showing import Status
from konstruct.database.pool import Database
from konstruct.database.turns import Activation
from konstruct.delivery import Delivery
from konstruct.errors import PASSING, KonstructError
from konstruct.escalation import Counters
from konstruct.failpoints import Failpoint
from konstruct.fair_queue import FairQueue
from konstruct.limits import ContactLimit
from konstruct.messages import Heard, Reply, Spoken
from konstruct.metrics import Metrics
from konstruct.models import Call
from konstruct.roster import Assignment, Roster
from konstruct.triage import Decision, Pause, suspended, triage
from konstruct.window import slide

# A backlog must not share one model so thinly that every turn runs into its deadline; a fifth is left to others.
TURNS_AT_ONCE, TURNS_OF_A_TENANT = 80, 64
# Few connections do it; more at once would only make the turns that run wait for a connection.
ACTIVATIONS_AT_ONCE, ACTIVATIONS_OF_A_TENANT = 8, 6
# The number of the first reply that tells operators, apart from those that answer the contact.
NOTICE_PART = 1000


def turn_queue() -> FairQueue:
    """Where the turns of a host wait for each other."""
    return FairQueue(TURNS_AT_ONCE, TURNS_OF_A_TENANT)


@dataclass(frozen=True, slots=True)
class Office:
    """What all conversations of a host share."""

    database: Database
    roster: Roster
    delivery: Delivery
    embedding: Embedding
    media: Reading
    metrics: Metrics
    failpoint: Failpoint
    turns: FairQueue
    activations: FairQueue = field(default_factory=lambda: FairQueue(ACTIVATIONS_AT_ONCE, ACTIVATIONS_OF_A_TENANT))
    isolation: FairQueue = field(default_factory=lambda: FairQueue(1))
    contacts: ContactLimit = field(default_factory=ContactLimit)
    told: set[tuple[UUID, str]] = field(default_factory=set)  # notices that are told once a day, by tenant and key

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Observe how long a stage of the turn takes, also where it fails; not where the turn began anew meanwhile."""
        begun = time.perf_counter()
        try:
            yield
        except Exception:
            self.metrics.observe("konstruct_turn_seconds", time.perf_counter() - begun, stage)
            raise
        seconds = time.perf_counter() - begun
        self.metrics.observe("konstruct_turn_seconds", seconds, stage)
        if stage == "commit":
            self.turns.felt(seconds)

    async def prepare(self, heard: Heard) -> None:
        """Load what a turn needs: that must not pass for a crash of its message. Raises what is PASSING only."""
        try:
            assignment = await self.roster.assignment(heard.tenant, heard.channel, heard.address.team)
            self.turns.set_pace(heard.tenant, assignment.limits.pace)
        except PASSING:
            raise
        except KonstructError:
            pass  # it comes again in the turn

    def decide(self, messages: Sequence[Heard], known: "Knowledge", assignment: Assignment) -> Decision:
        """What a turn has to do, within its contacts' limits."""
        decided = triage(messages, known.counters, assignment.escalation, paused=known.paused)
        if assignment.suspended:
            decided = suspended(decided)
        limited = self.contacts.limited(decided, messages, assignment.limits, time.monotonic())
        if limited is not decided:
            self.metrics.count("konstruct_limited_messages_total", "contact", by=len(messages))
        return limited


@dataclass(slots=True)
class Knowledge:
    """What a conversation knows between turns; `streaming`: replies that an earlier owner had begun to show."""

    version: int = 0
    window: tuple[Spoken, ...] = ()
    contacts: frozenset[UUID] = frozenset()
    streaming: dict[UUID, Reply] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)
    silent_until: float | None = None  # monotonic seconds
    counted: set[int] = field(default_factory=set)  # inbox ids whose crash is on record
    recollection: Recollection = field(default_factory=Recollection)
    album: Album = field(default_factory=Album)
    status: Status = field(default_factory=Status)
    calls: dict[UUID, list[Call]] = field(default_factory=dict)  # by the turn that made them; not committed yet

    def calls_of(self, turn: UUID) -> list[Call]:
        """The model calls of the turn under way, also of those runs of it that came to nothing."""
        self.calls = {turn: self.calls.get(turn, [])}
        return self.calls[turn]

    @property
    def paused(self) -> bool:
        """Whether the employee is to be silent now."""
        return self.silent_until is not None and time.monotonic() < self.silent_until

    def read(self, state: Activation) -> None:
        """Know what PostgreSQL knows."""
        self.version = state.version
        self.window = slide((), state.window)
        self.contacts = state.contacts
        self.streaming = state.streaming
        self.counters = Counters.read(state.counters)
        self.album = Album()  # what it holds may have been deleted
        self._pause(state.paused_seconds)

    def learn(self, spoken: list[Spoken], contacts: frozenset[UUID], counters: Counters, pause: Pause | None) -> None:
        """Know what a turn has just committed."""
        self.version += 1
        self.window = slide(self.window, spoken)
        self.contacts |= contacts
        self.streaming, self.calls = {}, {}
        self.counters = counters
        if pause is not None:
            self._pause(pause.seconds)

    def _pause(self, seconds: float | None) -> None:
        self.silent_until = None if seconds is None else time.monotonic() + seconds

"""What one tenant's flood does to another tenant, and one hot conversation to its neighbours."""

import asyncio
import time
from dataclasses import dataclass, field

from simulator import App
from tests.bench import place, slot_cost
from tests.bench.asked import Asked
from tests.bench.child import Child, child
from tests.bench.figure import Figure, at_most, ratio_at_least, ratio_at_most
from tests.bench.inbox import Inbox
from tests.bench.installed import Installed
from tests.bench.load_process import Load, outcome_of
from tests.bench.people import People, listening, question
from tests.bench.percentile import median, percentile
from tests.bench.slack import slack_for

CONVERSATIONS, EVERY_SECONDS = 20, 10.0
RATE = CONVERSATIONS / EVERY_SECONDS
FLOOD_CONVERSATIONS = 200
HOT_RATE = 50.0
# A flood runs for so long before anybody looks at what it does.
LEAD_SECONDS = 5.0


@dataclass
class Calm:
    """What the calm tenant saw, round after round: seconds from when a message was due to its answer."""

    rounds: list[list[float]] = field(default_factory=list)
    lost: int = 0

    def p(self, share: float) -> float:
        """Median of the rounds' percentiles, ms."""
        return 1000 * median(percentile(latencies, share) for latencies in self.rounds)


@dataclass
class Flood:
    """What became of the flood."""

    sent: list[float] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)
    refused: int = 0


async def measure(asked: Asked, _: Installed, inbox: Inbox) -> list[Figure]:
    """Alone, flooded by another tenant, beside a hot conversation; round after round."""
    alone, flooded, beside = Calm(), Calm(), Calm()
    flood = Flood()
    seconds = asked.scaled(50, 15)
    async with (
        slack_for(place.WEBHOOK, place.SLACK_PORT) as slack,
        listening(slack) as people,
        child("load_process") as flooding,
    ):
        await _calm(people, place.SLOW, asked.scaled(40, 10), Calm())
        for _ in range(asked.rounds):
            await inbox.settled()
            await _calm(people, place.SLOW, seconds, alone)
            await _flooded(people, inbox, flooding, seconds, (flooded, flood))
            await inbox.settled()
            Load(place.WEBHOOK, place.SLOW.team, 1, seconds + LEAD_SECONDS, HOT_RATE, "D0HOT").begin(flooding)
            await asyncio.sleep(LEAD_SECONDS)
            await _calm(people, place.SLOW, seconds, beside)
            await outcome_of(flooding)
    return [*_figures(alone, flooded, beside, flood), *await _slots(asked)]


async def _flooded(people: People, inbox: Inbox, flooding: Child, seconds: float, kept: tuple[Calm, Flood]) -> None:
    calm, flood = kept
    before = await inbox.turns(place.FLOOD.tenant)
    load = Load(place.WEBHOOK, place.FLOOD.team, FLOOD_CONVERSATIONS, seconds + LEAD_SECONDS, 100 * RATE)
    load.begin(flooding)
    await asyncio.sleep(LEAD_SECONDS)
    await _calm(people, place.SLOW, seconds, calm)
    outcome = await outcome_of(flooding)
    flood.turns.append((await inbox.turns(place.FLOOD.tenant) - before) / load.seconds)
    flood.sent.append(outcome.rate)
    flood.refused += outcome.refused


async def _calm(people: People, app: App, seconds: float, calm: Calm) -> None:
    """Every conversation gets its messages at its own fixed times."""
    begun, latencies = time.perf_counter(), list[float]()

    async def one(number: int) -> None:
        due = begun + number / RATE
        while due < begun + seconds:
            await asyncio.sleep(due - time.perf_counter())
            late = time.perf_counter() - due
            try:
                latencies.append(late + await people.ask(app, f"D0CALM{number}", question(number)))
            except TimeoutError:
                calm.lost += 1
            due += EVERY_SECONDS

    await asyncio.gather(*(one(number) for number in range(CONVERSATIONS)))
    calm.rounds.append(latencies)


def _figures(alone: Calm, flooded: Calm, beside: Calm, flood: Flood) -> list[Figure]:
    lost = alone.lost + flooded.lost + beside.lost
    return [
        Figure("answer p99 while another tenant floods 100 times as much", flooded.p(0.99), "ms",
               "without the flood", alone.p(0.99), ratio_at_most(1.2),
               f"p50 {flooded.p(0.5):,.0f} ms, without the flood {alone.p(0.5):,.0f} ms"),
        Figure("answer p99 beside a conversation that gets 50 messages/s", beside.p(0.99), "ms",
               "without it", alone.p(0.99), ratio_at_most(1.2)),
        Figure("answers that the calm tenant missed", lost, "answers", goal=at_most(0)),
        Figure("the flood itself: acknowledged", median(flood.sent), "messages/s",
               note=f"{flood.refused} refused in all"),
        Figure("the flood itself: answered in the meantime", median(flood.turns), "turns/s"),
    ]  # fmt: skip


async def _slots(asked: Asked) -> list[Figure]:
    fair, bare = await slot_cost.measure()
    async with child("slots_process", asked.rounds, asked.scaled(10, 4)) as process:
        found = await process.result()
    first = "slots for whoever comes first"
    return [
        Figure("turns with the fair queue, one process", median(found["fair"]), "turns/s", first,
               median(found["first"]), ratio_at_least(0.97)),
        Figure("CPU per turn there, without PostgreSQL", 1000 * median(found["fair_cpu"]), "ms", first,
               1000 * median(found["first_cpu"])),
        Figure("a slot of the fair queue, 60 tenants waiting", fair, "µs", "asyncio.Semaphore", bare),
    ]  # fmt: skip

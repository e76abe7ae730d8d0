"""Turns of several tenants share the slots of a host: properties over random arrivals and endings."""

import asyncio
from collections import Counter
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct.fair_queue import FairQueue, Pace
from konstruct.headroom import LEAST, SAMPLES

SPACE = UUID("00000000-0000-0000-0000-00000000000f")
ACME, GLOBEX, INITECH, HOOLI = TENANTS = [uuid5(SPACE, name) for name in ("acme", "globex", "initech", "hooli")]


class Turns:
    """Turns that end when told; `started` names them in the order in which they got their slots."""

    def __init__(self, queue: FairQueue) -> None:
        self.queue = queue
        self.started: list[tuple[UUID, int]] = []
        self.ends: dict[tuple[UUID, int], asyncio.Event] = {}
        self.tasks: dict[tuple[UUID, int], asyncio.Task[None]] = {}
        self.asked: Counter[UUID] = Counter()

    async def ask(self, tenant: UUID, times: int = 1) -> None:
        for _ in range(times):
            turn = (tenant, self.asked[tenant])
            self.asked[tenant] += 1
            self.ends[turn] = asyncio.Event()
            self.tasks[turn] = asyncio.create_task(self._one(turn))
        await settled()

    async def _one(self, turn: tuple[UUID, int]) -> None:
        async with self.queue.slot(turn[0]):
            self.started.append(turn)
            await self.ends[turn].wait()

    async def end(self, turn: tuple[UUID, int]) -> None:
        self.ends[turn].set()
        await settled()

    async def end_oldest(self) -> None:
        await self.end(self.running[0])

    async def give_up(self, turn: tuple[UUID, int]) -> None:
        self.tasks[turn].cancel()
        await settled()

    @property
    def running(self) -> list[tuple[UUID, int]]:
        return [turn for turn in self.started if not self.tasks[turn].done()]

    @property
    def waiting(self) -> list[tuple[UUID, int]]:
        return [turn for turn, task in self.tasks.items() if not task.done() and turn not in self.started]

    def held(self, tenant: UUID) -> int:
        return sum(turn[0] == tenant for turn in self.running)

    async def finish(self) -> None:
        for turn in self.ends:
            self.ends[turn].set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def settled() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(TENANTS), st.integers(1, 12)),
        st.tuples(st.just("end"), st.integers(0, 50)),
        st.tuples(st.just("give up"), st.integers(0, 50)),
    ),
    max_size=60,
)


@given(steps=STEPS, at_once=st.integers(1, 7), each=st.integers(1, 7))
def test_whatever_comes_and_goes_slots_are_bounded_used_and_shared(
    steps: list[tuple[object, ...]], at_once: int, each: int
) -> None:
    async def play() -> None:
        turns = Turns(FairQueue(at_once, each))
        for step in steps:
            await take(turns, step)
            check(turns, at_once, each)
        everybody = {turn for turn, task in turns.tasks.items() if not task.cancelled()}
        while turns.running:
            await turns.end_oldest()
            check(turns, at_once, each)
        assert everybody <= set(turns.started), "somebody never got a slot"
        assert not turns.queue.waiting
        assert not turns.queue.running
        assert not turns.queue._lines, "what is idle must not be remembered"

    asyncio.run(play())


async def take(turns: Turns, step: tuple[object, ...]) -> None:
    if step[0] == "ask":
        await turns.ask(*step[1:])  # type: ignore[arg-type]
    elif step[0] == "end" and turns.running:
        await turns.end(turns.running[step[1] % len(turns.running)])  # type: ignore[operator]
    elif step[0] == "give up" and (alive := turns.running + turns.waiting):
        await turns.give_up(alive[step[1] % len(alive)])  # type: ignore[operator]


def check(turns: Turns, at_once: int, each: int) -> None:
    running, waiting = turns.running, turns.waiting
    assert len(running) <= at_once
    assert turns.queue.running == len(running)
    assert all(turns.held(tenant) <= each for tenant in TENANTS)
    # Work conserving: whoever waits, waits because all slots are taken, or all that this tenant may have.
    assert all(len(running) == at_once or turns.held(tenant) == each for tenant, _ in waiting)
    # In order within a tenant.
    for tenant in TENANTS:
        numbers = [number for owner, number in turns.started if owner == tenant]
        assert numbers == sorted(numbers)


@given(floods=st.lists(st.integers(0, 60), min_size=4, max_size=4), at_once=st.integers(2, 9))
def test_nobody_gets_a_second_slot_while_somebody_waits_for_the_first(floods: list[int], at_once: int) -> None:
    async def play() -> None:
        turns = Turns(FairQueue(at_once))
        for tenant, times in zip(TENANTS, floods, strict=True):
            await turns.ask(tenant, times)
        while turns.running:
            before = len(turns.started)
            held = {tenant: turns.held(tenant) for tenant in TENANTS}
            ended, wanting = turns.running[0][0], {tenant for tenant, _ in turns.waiting}
            held[ended] -= 1
            await turns.end_oldest()
            for tenant, _ in turns.started[before:]:
                assert held[tenant] == min(held[other] for other in wanting)

    asyncio.run(play())


async def test_a_lone_turn_starts_without_giving_way_to_anybody() -> None:
    queue = FairQueue(2)
    entering = queue._enter(ACME)
    with pytest.raises(StopIteration):
        entering.send(None)
    queue._leave(ACME)


async def test_a_flood_of_a_hundred_leaves_the_next_free_slot_to_another_tenant() -> None:
    turns = Turns(FairQueue(4))
    await turns.ask(ACME, 100)
    await turns.ask(GLOBEX)
    await turns.end_oldest()
    assert turns.started[4] == (GLOBEX, 0)
    await turns.finish()


async def test_a_tenant_alone_leaves_some_slots_to_whoever_comes() -> None:
    turns = Turns(FairQueue(5, each=4))
    await turns.ask(ACME, 100)
    await turns.ask(GLOBEX)
    assert turns.started[-1] == (GLOBEX, 0)
    assert len(turns.running) == 5
    await turns.finish()


def feel(queue: FairQueue, seconds: float, times: int = SAMPLES) -> None:
    for _ in range(times):
        queue.felt(seconds)


async def test_where_steps_take_long_the_flood_shrinks_and_the_other_starts_at_once() -> None:
    turns = Turns(FairQueue(40, each=32))
    await turns.ask(GLOBEX)
    await turns.end_oldest()
    await turns.ask(ACME, 100)
    assert turns.held(ACME) == 32
    feel(turns.queue, 0.005)
    feel(turns.queue, 0.5, 10 * SAMPLES)
    while turns.held(ACME) > LEAST:
        await turns.end_oldest()
    await turns.end_oldest()
    assert turns.held(ACME) == LEAST
    await turns.ask(GLOBEX, 2)
    assert turns.held(GLOBEX) == 2
    await turns.finish()


async def test_a_tenant_alone_is_not_held_back_however_long_steps_take() -> None:
    turns = Turns(FairQueue(40, each=32))
    feel(turns.queue, 0.005)
    feel(turns.queue, 0.5, 10 * SAMPLES)
    await turns.ask(ACME, 100)
    assert turns.held(ACME) == 32
    await turns.finish()


def test_room_comes_back_when_steps_are_quick_again() -> None:
    queue = FairQueue(40)
    feel(queue, 0.005)
    feel(queue, 0.5, 10 * SAMPLES)
    assert queue.headroom.turns == LEAST
    queue.running = 40
    feel(queue, 0.005, 40 * SAMPLES)
    assert queue.headroom.turns == 40


def test_where_fewer_slots_do_not_help_they_come_back() -> None:
    queue = FairQueue(40)
    feel(queue, 0.02)
    feel(queue, 0.2, 10 * SAMPLES)
    assert queue.headroom.turns == LEAST
    queue.running = 40
    feel(queue, 0.2, 400 * SAMPLES)
    assert queue.headroom.turns == 40


async def test_a_limit_of_its_own_holds_a_tenant_alone() -> None:
    turns = Turns(FairQueue(8))
    turns.queue.parts = 2
    turns.queue.set_pace(ACME, Pace(at_once=3))
    await turns.ask(ACME, 6)
    assert turns.held(ACME) == 2
    turns.queue.set_pace(ACME, Pace())
    await settled()
    assert turns.held(ACME) == 6
    await turns.finish()


async def test_over_its_limit_a_tenant_waits_and_nobody_else() -> None:
    clock = [0.0]
    turns = Turns(FairQueue(8, clock=lambda: clock[0]))
    turns.queue.set_pace(ACME, Pace(per_minute=3))
    await turns.ask(ACME, 5)
    await turns.ask(GLOBEX, 2)
    assert (turns.held(ACME), turns.held(GLOBEX)) == (3, 2)
    await turns.end_oldest()
    assert turns.held(ACME) == 2, "an end does not make room in the minute"
    clock[0] = 60.0
    turns.queue._wake()
    await settled()
    assert turns.asked[ACME] == sum(owner == ACME for owner, _ in turns.started)
    await turns.finish()


async def test_a_limit_wakes_itself() -> None:
    turns = Turns(FairQueue(8))
    turns.queue.set_pace(ACME, Pace(per_minute=1))
    await turns.ask(ACME, 2)
    assert turns.queue._timer is not None
    assert 59 < turns.queue._timer.when() - asyncio.get_running_loop().time() <= 60
    await turns.give_up((ACME, 1))
    await turns.finish()

"""Turns of several tenants share the slots of a host: properties over random arrivals and endings."""

import asyncio
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct.fair_queue import FairQueue, Pace
from tests.unit.turns_in_line import ACME, GLOBEX, TENANTS, Turns, settled

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


async def test_who_gets_a_slot_learns_whether_more_of_its_tenant_wait() -> None:
    queue = FairQueue(1)
    told: list[bool] = []

    async def turn(tenant: UUID) -> None:
        async with queue.slot(tenant) as crowded:
            told.append(crowded)
            await settled()

    await asyncio.gather(turn(ACME), turn(ACME), turn(ACME), turn(GLOBEX))
    assert told == [False, True, False, False], "nobody waited yet; acme, with one more; globex; that one"


async def test_a_tenant_alone_leaves_some_slots_to_whoever_comes() -> None:
    turns = Turns(FairQueue(5, each=4))
    await turns.ask(ACME, 100)
    await turns.ask(GLOBEX)
    assert turns.started[-1] == (GLOBEX, 0)
    assert len(turns.running) == 5
    await turns.finish()


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

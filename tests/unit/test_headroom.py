"""How many slots there are, by how long steps take."""

from konstruct.fair_queue import FairQueue
from konstruct.headroom import LEAST, SAMPLES
from tests.unit.turns_in_line import ACME, GLOBEX, Turns


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

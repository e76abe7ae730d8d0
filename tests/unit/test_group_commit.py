"""Group commit: company shares a flush, order is kept, and a failure reaches exactly those who shared it."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct.errors import Unstorable
from konstruct.group_commit import GroupCommit


class Flushes:
    """A flush that can be held and made to fail; doubles every number."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.running = 0
        self.most_at_once = 0
        self.failing = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, items: list[int]) -> list[int]:
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        self.batches.append(items)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
            if self.failing:
                self.failing -= 1
                raise OSError("no disk")
            return [2 * item for item in items]
        finally:
            self.running -= 1


async def test_a_lone_item_goes_at_once() -> None:
    flushes = Flushes()
    assert await GroupCommit(flushes).add(1) == 2
    assert flushes.batches == [[1]]


async def test_what_arrives_during_a_flush_goes_out_together_with_the_next() -> None:
    flushes = Flushes()
    commits = GroupCommit(flushes)
    flushes.gate.clear()
    first = commits.add(1)
    await asyncio.sleep(0.01)
    others = [commits.add(n) for n in range(2, 7)]
    await asyncio.sleep(0.01)
    flushes.gate.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10, 12]
    assert flushes.batches == [[1], [2, 3, 4, 5, 6]]


async def test_two_flushes_never_run_at_once_and_a_batch_never_exceeds_its_limit() -> None:
    flushes = Flushes()
    commits = GroupCommit(flushes, limit=7)

    async def caller(start: int) -> None:
        for n in range(start, start + 10):
            assert await commits.add(n) == 2 * n

    await asyncio.gather(*(caller(100 * n) for n in range(20)))
    assert flushes.most_at_once == 1
    assert max(len(batch) for batch in flushes.batches) <= 7
    assert sorted(n for batch in flushes.batches for n in batch) == sorted(
        100 * a + b for a in range(20) for b in range(10)
    )


async def test_order_of_arrival_is_kept_across_batches() -> None:
    flushes = Flushes()
    commits = GroupCommit(flushes, limit=3)
    await asyncio.gather(*(commits.add(n) for n in range(10)))
    assert [n for batch in flushes.batches for n in batch] == list(range(10))


async def test_a_failed_flush_reaches_all_its_callers_and_no_later_one() -> None:
    flushes = Flushes()
    commits = GroupCommit(flushes)
    flushes.failing = 1
    outcomes = await asyncio.gather(commits.add(1), commits.add(2), return_exceptions=True)
    assert all(isinstance(outcome, OSError) for outcome in outcomes)
    assert await commits.add(3) == 6


async def test_a_caller_that_gives_up_disturbs_nobody() -> None:
    flushes = Flushes()
    commits = GroupCommit(flushes)
    flushes.gate.clear()
    impatient, patient = commits.add(1), commits.add(2)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(impatient, 0.01)
    flushes.gate.set()
    assert await patient == 4
    assert flushes.batches == [[1, 2]]


async def test_settling_waits_for_what_is_queued_and_for_what_comes_meanwhile() -> None:
    flushes = Flushes()
    commits = GroupCommit(flushes, limit=1)
    flushes.gate.clear()
    futures = [commits.add(n) for n in range(3)]
    settled = asyncio.create_task(commits.settle())
    await asyncio.sleep(0.01)
    assert not settled.done()
    futures.append(commits.add(3))
    flushes.gate.set()
    await settled
    assert all(future.done() for future in futures)
    await commits.settle()


async def test_lingering_gathers_company() -> None:
    flushes = Flushes()
    commits = GroupCommit(flushes, linger=0.02)
    first = commits.add(1)
    await asyncio.sleep(0.005)
    second = commits.add(2)
    assert [await first, await second] == [2, 4]
    assert flushes.batches == [[1, 2]]


async def test_a_flush_that_answers_for_too_few_fails_loudly_for_those_that_wait() -> None:
    async def short(items: list[int]) -> list[int]:
        return items[:-1]

    with pytest.raises(ValueError, match="zip"):
        await asyncio.wait_for(GroupCommit(short).add(1), 0.5)


async def test_after_company_it_takes_breath_and_after_a_lone_item_it_does_not() -> None:
    flushes = Flushes()
    commits = GroupCommit(flushes, breath=0.05, enough=5)
    assert await commits.add(1) == 2
    assert await asyncio.wait_for(commits.add(2), 0.04) == 4
    await asyncio.gather(commits.add(3), commits.add(4))
    late = [commits.add(5)]
    await asyncio.sleep(0.01)
    late.append(commits.add(6))
    await asyncio.gather(*late)
    assert flushes.batches == [[1], [2], [3, 4], [5, 6]]


async def test_breath_ends_as_soon_as_enough_wait() -> None:
    flushes = Flushes()
    commits = GroupCommit(flushes, breath=60, enough=3)
    await asyncio.gather(commits.add(1), commits.add(2))
    late = [commits.add(3), commits.add(4)]
    await asyncio.sleep(0.05)
    assert flushes.batches == [[1, 2]]
    late.append(commits.add(5))
    assert await asyncio.wait_for(asyncio.gather(*late), 1) == [6, 8, 10]
    assert flushes.batches == [[1, 2], [3, 4, 5]]


async def test_who_arrives_when_nobody_is_awaited_any_more_goes_at_once() -> None:
    flushes = Flushes()
    commits = GroupCommit(flushes, breath=0.02, enough=3)
    await asyncio.gather(commits.add(1), commits.add(2))
    await commits.settle()
    assert await asyncio.wait_for(commits.add(3), 0.015) == 6
    assert flushes.batches == [[1, 2], [3]]


@given(
    adds=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 30)), max_size=12),
    limit=st.integers(1, 9),
)
def test_a_batch_is_shared_evenly_and_everybody_keeps_their_order(adds: list[tuple[str, int]], limit: int) -> None:
    batches: list[list[tuple[str, int]]] = []

    async def flush(items: list[tuple[str, int]]) -> list[None]:
        batches.append(items)
        await asyncio.sleep(0)
        return [None] * len(items)

    async def play() -> None:
        commits = GroupCommit(flush, limit=limit, share=lambda item: item[0])
        numbered = [(name, n) for n, name in enumerate(name for name, times in adds for _ in range(times))]
        await asyncio.gather(*(commits.add(item) for item in numbered))
        left = Counter(name for name, _ in numbered)
        for batch in batches:
            assert len(batch) == min(limit, left.total())
            taken = Counter(name for name, _ in batch)
            least = min(taken[name] for name in left if left[name] > taken[name]) if left - taken else limit
            assert max(taken.values()) <= least + 1, "somebody had more while somebody else still waited"
            left -= taken
        for name in "abc":
            assert [item for batch in batches for item in batch if item[0] == name] == [
                item for item in numbered if item[0] == name
            ]

    asyncio.run(play())


async def test_a_flood_leaves_room_in_the_next_batch() -> None:
    flushes = Flushes()
    commits = GroupCommit(flushes, limit=4, share=lambda n: n < 1000)
    flushes.gate.clear()
    flood = [commits.add(n) for n in range(100)]
    await asyncio.sleep(0.01)
    other = commits.add(1000)
    assert (commits.queued(True), commits.queued(False)) == (96, 1)
    flushes.gate.set()
    await asyncio.gather(other, *flood)
    assert 1000 in flushes.batches[1]


async def test_what_cannot_be_stored_keeps_no_company_out() -> None:
    flushed: list[list[int]] = []

    async def flush(items: list[int]) -> list[int]:
        flushed.append(items)
        if 3 in items:
            raise Unstorable
        return items

    commits = GroupCommit(flush)
    results = await asyncio.gather(*(commits.add(n) for n in range(5)), return_exceptions=True)
    assert [type(result) if isinstance(result, Exception) else result for result in results] == [
        0, 1, 2, Unstorable, 4,
    ]  # fmt: skip
    assert flushed == [[0, 1, 2, 3, 4], [0, 1], [2, 3, 4], [2], [3, 4], [3], [4]]


async def test_what_goes_alone_ends_for_all_with_the_first_other_error() -> None:
    tried: list[int] = []

    async def flush(items: list[int]) -> list[int]:
        tried.append(len(items))
        raise Unstorable if len(items) > 1 else OSError("no disk")

    commits = GroupCommit(flush)
    results = await asyncio.gather(*(commits.add(n) for n in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [OSError] * 5
    assert tried == [5, 2, 1]

"""The Supervisor over plain hosts: create, replace, upgrade, grow, shrink, and survive failures."""

import asyncio
from datetime import timedelta
from typing import cast

import pytest

from deployments import supervisor as supervising
from deployments.supervisor import Supervisor
from konstruct.database.pool import Database
from konstruct.identity import SHARDS
from konstruct.metrics import Unmeasured
from tests.unit.plain_hosts import Mapping, PlainHosts


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def office(
    hosts: int = 0, wanted: int = 0, *, version: str = "v1", default: int = 2, clock: Clock | None = None
) -> tuple[Supervisor, PlainHosts]:
    mapping = Mapping(hosts, wanted)
    plain = PlainHosts(mapping)
    return Supervisor(cast("Database", mapping), plain, version, default, Unmeasured(), clock=clock or Clock()), plain


def owned(plain: PlainHosts) -> list[int]:
    return sorted(shard for _, shards in plain.alive.values() for shard in shards)


async def test_the_first_round_creates_the_default_hosts_and_every_shard_has_one_owner() -> None:
    supervisor, plain = office(default=3)
    await supervisor.check()
    assert sorted(plain.alive) == [0, 1, 2]
    assert owned(plain) == list(range(SHARDS))
    assert sorted(supervisor.health) == [0, 1, 2]


async def test_a_quiet_round_touches_nothing() -> None:
    supervisor, plain = office()
    await supervisor.check()
    plain.journal.clear()
    generation = plain.mapping.row["generation"]
    await supervisor.check()
    assert plain.journal == []
    assert plain.mapping.row["generation"] == generation


async def test_hosts_that_run_already_are_kept_by_a_new_supervisor() -> None:
    first, plain = office()
    await first.check()
    plain.journal.clear()
    await Supervisor(cast("Database", plain.mapping), plain, "v1", 2, Unmeasured()).check()
    assert plain.journal == []


async def test_a_host_is_replaced_only_after_it_was_silent_long_enough() -> None:
    clock = Clock()
    supervisor, plain = office(clock=clock)
    await supervisor.check()
    generation = plain.mapping.row["generation"]
    plain.journal.clear()
    plain.silent.add(1)
    await supervisor.check()
    assert plain.journal == []
    assert sorted(supervisor.health) == [0]
    clock.now += supervising.SILENT_SECONDS
    await supervisor.check()
    assert plain.journal == [("kill", 1), ("ensure", 1)]
    assert plain.mapping.row["generation"] > generation
    assert sorted(supervisor.health) == [0, 1]


async def test_a_host_that_answers_again_in_time_is_left_alone() -> None:
    clock = Clock()
    supervisor, plain = office(clock=clock)
    await supervisor.check()
    plain.journal.clear()
    for _ in range(3):
        plain.silent.add(0)
        await supervisor.check()
        clock.now += 0.6 * supervising.SILENT_SECONDS
        plain.silent.clear()
        await supervisor.check()
    assert plain.journal == []


async def test_a_host_of_another_version_is_drained_before_it_is_replaced() -> None:
    supervisor, plain = office(default=1)
    await supervisor.check()
    plain.version = "v2"
    plain.journal.clear()
    newer = Supervisor(cast("Database", plain.mapping), plain, "v2", 1, Unmeasured())
    await newer.check()
    assert plain.journal == [("stop", 0), ("kill", 0), ("ensure", 0)]
    assert plain.alive[0][0] == "v2"


async def test_an_upgrade_replaces_hosts_one_by_one() -> None:
    """Design §3; while one drains, the others must answer."""
    supervisor, plain = office(default=3)
    await supervisor.check()
    plain.version = "v2"
    newer = Supervisor(cast("Database", plain.mapping), plain, "v2", 3, Unmeasured())
    for _ in range(4):
        await newer.check()
    assert {version for version, _ in plain.alive.values()} == {"v2"}
    assert plain.most_stopping == 1


@pytest.mark.parametrize(("before", "after"), [(1, 3), (2, 3), (2, 5), (3, 2), (5, 1)])
async def test_resizing_ends_with_one_owner_for_every_shard(before: int, after: int) -> None:
    supervisor, plain = office(default=before)
    await supervisor.check()
    plain.mapping.row["wanted_hosts"] = after
    await supervisor.check()
    assert plain.mapping.row["hosts"] == after
    assert sorted(plain.alive) == list(range(after)) == sorted(supervisor.health)
    assert owned(plain) == list(range(SHARDS))


async def test_growing_makes_room_before_the_new_host_takes_its_shards() -> None:
    supervisor, plain = office(default=2)
    await supervisor.check()
    plain.journal.clear()
    plain.mapping.row["wanted_hosts"] = 3
    await supervisor.check()
    assert max(plain.journal.index(("make_room", n)) for n in (0, 1)) < plain.journal.index(("ensure", 2))


async def test_shrinking_drains_the_leaving_before_the_others_take_their_shards() -> None:
    supervisor, plain = office(default=3)
    await supervisor.check()
    plain.journal.clear()
    plain.mapping.row["wanted_hosts"] = 2
    await supervisor.check()
    assert plain.journal.index(("stop", 2)) < plain.journal.index(("kill", 2)) < plain.journal.index(("adopt", 0))


async def test_a_dead_host_does_not_stand_in_the_way_of_resizing() -> None:
    supervisor, plain = office(default=2)
    await supervisor.check()
    plain.silent.add(1)
    plain.mapping.row["wanted_hosts"] = 1
    await supervisor.check()
    assert sorted(plain.alive) == [0]
    assert owned(plain) == list(range(SHARDS))


async def test_a_resize_cut_short_after_the_mapping_changed_is_completed() -> None:
    supervisor, plain = office(default=3)
    await supervisor.check()
    plain.mapping.row |= {"hosts": 2, "wanted_hosts": 2}
    await supervisor.check()
    assert {number: len(shards) for number, (_, shards) in plain.alive.items() if number < 2} == {
        0: 512,
        1: 512,
    }


async def test_one_host_that_cannot_start_does_not_make_others_be_replaced_twice_at_once() -> None:
    supervisor, plain = office(default=2)
    await supervisor.check()
    plain.version = "v2"
    plain.alive.pop(0)
    plain.failing.add(0)
    newer = Supervisor(cast("Database", plain.mapping), plain, "v2", 2, Unmeasured())
    for _ in range(3):
        with pytest.raises(RuntimeError):
            await newer.check()
    await asyncio.sleep(0.05)
    assert plain.most_stopping == 1
    assert plain.asked("stop") == [1]
    assert plain.alive[1][0] == "v2"


async def test_while_one_host_drains_the_others_are_looked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "ROUND_SECONDS", 0.01)
    clock = Clock()
    supervisor, plain = office(default=3, clock=clock)
    await supervisor.check()
    plain.drain = asyncio.Event()
    plain.alive[0] = ("v0", plain.alive[0][1])  # of another version: it must drain
    await supervisor.check()
    plain.silent.add(1)
    clock.now += supervising.SILENT_SECONDS
    await supervisor.check()
    assert plain.asked("kill") == [0, 1, 2, 1]
    assert owned(plain) == list(range(SHARDS))
    plain.drain.set()
    async with asyncio.timeout(5):
        while plain.alive[0][0] != "v1":
            await supervisor.check()


async def test_a_host_left_behind_by_a_resize_cut_short_is_not_taken_for_a_new_one() -> None:
    supervisor, plain = office(default=3)
    await supervisor.check()
    plain.mapping.row |= {"hosts": 2, "wanted_hosts": 3}
    plain.alive[2][1].clear()  # it gave its shards up, and was not ended
    await supervisor.check()
    assert plain.asked("kill")[-2:] == [2, 2]
    assert owned(plain) == list(range(SHARDS))


async def test_supervision_outlives_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "CHECK_SECONDS", 0.01)
    monkeypatch.setattr(supervising, "MEASURE_SECONDS", timedelta(days=1).total_seconds())
    supervisor, plain = office()
    supervisor._measured = float("inf")
    plain.failing.add(0)
    task = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0.05)
    plain.failing.clear()
    async with asyncio.timeout(10):
        while sorted(plain.alive) != [0, 1]:
            await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()
    assert sorted(plain.alive) == [0, 1]

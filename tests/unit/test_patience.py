"""How long a turn waits for somebody who is still speaking."""

import asyncio
import time

import pytest

from actors import patience
from actors.patience import Patience


async def test_whoever_has_finished_is_not_waited_for() -> None:
    begun = time.monotonic()
    await Patience().until_quiet(lambda: begun - patience.QUIET_SECONDS)
    assert time.monotonic() - begun < patience.QUIET_SECONDS


async def test_a_flood_ends_it_and_then_nothing_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LONGEST_SECONDS", 0.3)
    turn = Patience()
    assert turn.lasts
    async with asyncio.timeout(5):
        await turn.until_quiet(time.monotonic)
    assert not turn.lasts


async def test_who_speaks_slowly_may_join_three_times() -> None:
    turn, joins = Patience(), 0
    await turn.until_quiet(lambda: 0.0)
    while turn.lasts:
        await turn.for_joins(lambda: 0.0)
        joins += 1
    assert joins == 3

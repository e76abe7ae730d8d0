"""One answer for all who ask at once, and a new one for whoever comes later."""

import asyncio

import pytest

from konstruct.jointly import Jointly


class Source:
    """Counts how often it is asked; `gate` holds its answers back."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = asyncio.Event()

    async def find(self) -> int:
        self.asked += 1
        number = self.asked
        await self.gate.wait()
        if number == 13:
            raise OSError("no disk")
        return number


async def test_who_asks_at_the_same_time_shares_an_answer() -> None:
    source, jointly = Source(), Jointly[str, int]()
    asking = [asyncio.create_task(jointly.ask("a", source.find)) for _ in range(5)]
    await asyncio.sleep(0)
    source.gate.set()
    assert await asyncio.gather(*asking) == [1] * 5
    assert await jointly.ask("a", source.find) == 2


async def test_different_things_are_asked_for_apart() -> None:
    source, jointly = Source(), Jointly[str, int]()
    source.gate.set()
    assert sorted(await asyncio.gather(jointly.ask("a", source.find), jointly.ask("b", source.find))) == [1, 2]


async def test_a_caller_that_goes_away_takes_nothing_from_the_others() -> None:
    source, jointly = Source(), Jointly[str, int]()
    first, second = (asyncio.create_task(jointly.ask("a", source.find)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    source.gate.set()
    assert await second == 1


async def test_an_error_reaches_everybody_and_is_not_kept() -> None:
    source, jointly = Source(), Jointly[str, int]()
    source.asked = 12
    asking = [asyncio.create_task(jointly.ask("a", source.find)) for _ in range(2)]
    await asyncio.sleep(0)
    source.gate.set()
    for one in asking:
        with pytest.raises(OSError, match="no disk"):
            await one
    assert await jointly.ask("a", source.find) == 14

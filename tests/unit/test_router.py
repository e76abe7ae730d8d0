"""The router wakes at once who rests, and gives everything that comes meanwhile in one wake."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast
from uuid import uuid4

from deployments import router as routing
from deployments.router import Router
from konstruct.messages import Address, Heard


class Ears:
    """Two hosts that note what they hear; also the database, which says that there are two."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, list[int]]] = []

    def forget(self) -> None:
        """Nothing is kept."""

    def wake_later(self, number: int, messages: Sequence[Heard]) -> None:
        self.heard.append((number, [message.id for message in messages]))

    async def run(self, _query: str, /, **_arguments: Any) -> Any:
        return {"generation": 1, "hosts": 2, "wanted_hosts": 2}


def message(number: int, shard: int = 0) -> Heard:
    return Heard(number, uuid4(), uuid4(), shard, 1, 0, "slack", Address("T0", "D0"), "U0", "hello", "1.5")


async def test_what_comes_soon_after_a_wake_waits_for_company() -> None:
    ears = Ears()
    router = Router(cast("Any", ears), ears)
    router.start()
    await asyncio.sleep(0)
    router.wake([message(1), message(2, shard=1)])
    assert ears.heard == [(0, [1]), (1, [2])]
    router.wake([message(3)])
    router.wake([message(4)])
    assert len(ears.heard) == 2
    await asyncio.sleep(5 * routing.REST_SECONDS)
    assert ears.heard[2:] == [(0, [3, 4])]
    await asyncio.sleep(2 * routing.LONGEST_REST_SECONDS)
    router.wake([message(5)])
    assert ears.heard[3:] == [(0, [5])]


async def test_before_the_mapping_is_known_nobody_is_woken() -> None:
    ears = Ears()
    Router(cast("Any", ears), ears).wake([message(1)])
    assert ears.heard == []

"""C3 in memory: what is out is known to be out until PostgreSQL knows it, too."""

import asyncio
from typing import Any, cast
from uuid import UUID

import pytest

from konstruct.database import outbox
from konstruct.database.outbox import Outbox, Sent
from konstruct.database.pool import Database
from konstruct.errors import DatabaseUnavailable, KonstructError, Unstorable

REPLY = UUID(int=1)


class Flaky:
    """A database that refuses as often as it is told to."""

    def __init__(self, errors: list[Exception]) -> None:
        self.errors = errors
        self.marked: list[UUID] = []

    async def run(self, query: str, /, **arguments: Any) -> None:
        assert query == "mark_sent"
        if self.errors:
            raise self.errors.pop(0)
        self.marked += arguments["replies"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MARK_AGAIN_SECONDS", (0.0, 0.0))


def outbox_over(flaky: Flaky) -> Outbox:
    return Outbox(cast("Database", flaky))


async def test_a_reply_is_settled_from_the_send_until_it_is_marked() -> None:
    flaky = Flaky([DatabaseUnavailable(), DatabaseUnavailable()])
    marks = outbox_over(flaky)
    marks.mark_later(Sent(UUID(int=9), REPLY, 1, "wamid.1"))
    assert marks.is_settled(REPLY)
    await marks.settle()
    assert not marks.is_settled(REPLY)
    assert flaky.marked == [REPLY]


async def test_however_long_postgresql_is_away_nobody_sends_a_reply_again_that_is_out() -> None:
    flaky = Flaky([DatabaseUnavailable()] * 100)
    marks = outbox_over(flaky)
    marks.mark_later(Sent(UUID(int=9), REPLY, 1, "wamid.1"))
    await marks.settle()
    assert flaky.marked == [REPLY]
    assert not flaky.errors


async def test_beside_a_mark_that_is_refused_the_others_stay_settled_until_they_are_marked() -> None:
    replies = [UUID(int=number) for number in range(1, 5)]
    settled: list[bool] = []

    class Refusing(Flaky):
        async def run(self, query: str, /, **arguments: Any) -> None:
            settled.extend(map(marks.is_settled, arguments["replies"]))
            if REPLY in arguments["replies"]:
                raise Unstorable
            await super().run(query, **arguments)

    flaky = Refusing([])
    marks = outbox_over(flaky)
    for reply in replies:
        marks.mark_later(Sent(UUID(int=9), reply, 1, "wamid.1"))
    await marks.settle()
    assert sorted(flaky.marked) == replies[1:]
    assert all(settled)
    assert not any(map(marks.is_settled, replies))


async def test_a_mark_that_is_refused_leaves_the_reply_to_a_successor() -> None:
    marks = outbox_over(Flaky([KonstructError("refused")]))
    marks.mark_later(Sent(UUID(int=9), REPLY, 1, "wamid.1"))
    await asyncio.sleep(0.4)
    assert not marks.is_settled(REPLY)

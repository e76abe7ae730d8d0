"""A message is taken back while its sender changes numbers or is erased: no deadlock, and nothing is lost."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from konstruct.database import amendments, hosting
from konstruct.database.erasure import Person, erase_person
from konstruct.errors import StaleTurn
from konstruct.identity import shard_of
from konstruct.messages import Address, Heard, Kind
from tests.database.register import ACME, HERE, Register, open_register

PLACE = HERE.conversation("491")
SHARD = shard_of(PLACE)


@dataclass
class Place:
    """A conversation of 491 with acme, and what waits in it."""

    register: Register
    url: str
    epoch: int

    def waits(self, source: str, kind: Kind = "message", target: str = "", conversation: UUID = PLACE) -> int:
        body = {
            "contact": "491", "text": source, "source_id": source, "kind": kind, "target": target,
            "address": {"team": HERE.team, "channel": "491"},
        }  # fmt: skip
        [(id_,)] = self.register.rows(
            "insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body)"
            " values (%s, 'whatsapp', clock_timestamp(), %s, %s, 0, %s) returning id",
            ACME, conversation, shard_of(conversation), json.dumps(body),
        )  # fmt: skip
        return int(id_)

    async def amend(self, id_: int, target: str, conversation: UUID = PLACE) -> str:
        deletion = Heard(
            id_, ACME, conversation, shard_of(conversation), 0, 0, "whatsapp", Address(HERE.team, "491"), "491", "",
            "x", "delete", target,
        )  # fmt: skip
        return await amendments.amend(self.register.database, deletion, epoch=self.epoch)

    async def blocked(self, count: int) -> None:
        """So many sessions wait for a lock."""
        statement = (
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        async with asyncio.timeout(5):
            while self.register.rows(statement) != [(count,)]:
                await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def place(database_url: str) -> AsyncIterator[Place]:
    async with open_register(database_url) as register:
        await register.who("491")
        taken = await hosting.take(register.database, 0, range(hosting.SHARDS))
        yield Place(register, database_url, taken[SHARD].epoch)


@pytest.mark.parametrize("answered", [True, False])
async def test_a_deletion_and_a_change_of_number_at_once(place: Place, answered: bool) -> None:
    if answered:
        place.register.said("491", "secret", UUID(int=1))
        place.register.rows("update messages set source_id = 'first'")
    else:
        place.waits("first")
    between = place.waits("between")
    deletion = place.waits("x", "delete", "first")
    with psycopg.connect(place.url) as held:
        held.execute("select from inbox where id = %s for update", (between,))
        moving = asyncio.create_task(place.register.move("491", to=("492",), at=time.time()))
        await place.blocked(1)
        amending = asyncio.create_task(place.amend(deletion, "first"))
        await place.blocked(2)
    assert await asyncio.gather(moving, amending) == ["491", "answered" if answered else "waiting"]
    waits = "select id, body -> 'address' ->> 'channel' from inbox where state = 'waiting'"
    assert place.register.rows(waits) == [(between, "492")]
    assert place.register.rows("select from messages") == []


async def test_a_deletion_of_what_was_never_answered_and_an_erasure_at_once(place: Place) -> None:
    place.waits("first")
    between = place.waits("between")
    deletion = place.waits("x", "delete", "first")
    with psycopg.connect(place.url) as held:
        held.execute("select from inbox where id = %s for update", (between,))
        erasing = asyncio.create_task(erase_person(place.register.database, Person(ACME, "whatsapp", "491")))
        await place.blocked(1)
        amending = asyncio.create_task(place.amend(deletion, "first"))
        await place.blocked(2)
    with pytest.raises(StaleTurn):
        await amending
    await erasing
    assert place.register.rows("select from inbox where conversation_id = %s and body ->> 'text' <> ''", PLACE) == []


async def test_a_deletion_that_went_along_with_another_history_is_not_applied_where_it_was(place: Place) -> None:
    await place.register.who("DE.1")
    before = HERE.conversation("DE.1")
    deletion = place.waits("x", "delete", "first", before)
    assert await place.register.who("DE.1", "491") == "491"
    with pytest.raises(StaleTurn):
        await place.amend(deletion, "first", before)
    assert await place.amend(deletion, "first") == "unknown"


async def test_what_tells_a_host_of_an_erasure_changes_nothing_of_others(place: Place) -> None:
    place.register.said("491", "typed as a command", UUID(int=1))
    place.register.rows("update messages set source_id = ''")
    waiting = place.waits("")
    told = place.waits("", "delete")
    with psycopg.connect(place.url) as hearing:
        # As hear does, while it waits.
        hearing.execute("select pg_advisory_xact_lock_shared(hashtextextended(%s, 8))", (str(ACME),))
        async with asyncio.timeout(2):
            assert await place.amend(told, "") == "answered"
    assert place.register.rows("select text from messages") == [("typed as a command",)]
    assert place.register.rows("select id from inbox where state = 'waiting'") == [(waiting,)]

"""Whether anything is stored about a person: the same as whether there is anything to take along, but told at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from konstruct.database import erasure, people
from konstruct.database.erasure import Person
from konstruct.database.people import Whereabouts
from konstruct.identity import conversation_id
from tests.database.forgotten import ACME, ALICE, GLOBEX, SECRET, rows, until_quiet
from tests.rig import Rig, rig

PLACE = conversation_id(ACME, "slack", "D0CAROL")
CONVERSATION = "insert into conversations (tenant_id, id, shard, channel, address) values (%s, %s, 1, 'slack', %s)"
INBOX = (
    "insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body, state) "
    "values (%s, 'slack', 'Ev1', %s, 1, 1, %s, %s)"
)


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path, hosts=0) as under_test:
        yield under_test


async def check_known(k: Rig, person: Person, *, known: bool) -> None:
    assert await erasure.is_known(k.database, person) is known
    assert bool(await erasure.rows_of_person(k.database, person)) is known


async def test_a_stranger_is_not_known_and_whoever_spoke_is_known_to_their_own_tenant(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path) as k:
        await k.slack.say(SECRET, user="U0ALICE", channel="D0ALICE")
        await k.replies(1)
        await until_quiet(k)
        await check_known(k, ALICE, known=True)
        for stranger in (
            Person(ACME, "slack", "U0BOB"),
            Person(ACME, "web", "U0ALICE"),
            Person(GLOBEX, "slack", "U0ALICE"),
        ):
            await check_known(k, stranger, known=False)


async def test_a_person_of_whom_there_are_only_names_is_known_by_each(k: Rig) -> None:
    await people.resolve(k.database, Whereabouts(ACME, "whatsapp", "1065"), ["AT.77", "4366011"], 1.0, "4366011")
    for name in ("AT.77", "4366011"):
        await check_known(k, Person(ACME, "whatsapp", name), known=True)


@pytest.mark.parametrize("state", ["waiting", "answered", "dead"])
async def test_a_person_of_whom_there_is_only_a_message_that_came_is_known(state: str, k: Rig) -> None:
    rows(k, INBOX, ACME, PLACE, '{"contact": "U0CAROL", "address": {"private": true}}', state)
    await check_known(k, Person(ACME, "slack", "U0CAROL"), known=True)
    await check_known(k, ALICE, known=False)


@pytest.mark.parametrize("private", [True, False])
async def test_a_conversation_makes_known_whoever_is_alone_in_it(private: bool, k: Rig) -> None:
    rows(k, CONVERSATION, ACME, PLACE, f'{{"channel": "U0CAROL", "private": {str(private).lower()}}}')
    await check_known(k, Person(ACME, "slack", "U0CAROL"), known=private)


async def test_nothing_that_was_said_is_read_to_answer(k: Rig) -> None:
    contact = "insert into contacts (tenant_id, id, channel, external_id) values (%s, %s, 'slack', 'U0ALICE')"
    rows(k, contact, ACME, UUID(int=1))
    with psycopg.connect(k.settings.database_url or "") as other:
        other.execute("lock table messages, memories, outbox, web_messages, feedback, usage in access exclusive mode")
        async with asyncio.timeout(5):
            assert await erasure.is_known(k.database, ALICE)
            assert not await erasure.is_known(k.database, Person(ACME, "slack", "U0BOB"))

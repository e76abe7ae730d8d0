"""An answer that was begun and is not finished: its words stay, and a hand-over goes on in its message."""

from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from konstruct.database import hosting, turns
from konstruct.database.outbox import Outbox
from konstruct.database.pool import Database
from konstruct.database.turns import Outcome
from konstruct.database.web_messages import WebMessages
from konstruct.errors import Fenced
from konstruct.identity import conversation_id, reply_id, shard_of, tenant_id, turn_id
from konstruct.messages import Address, Inbound, Reply

ACME = tenant_id("acme")
CONVERSATION = conversation_id(ACME, "slack", "T0:D0:")
SHARD = shard_of(CONVERSATION)
ADDRESS = Address("T0", "D0", private=True)


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, 2)
    await opened.start()
    async with opened.tenant(ACME) as connection:
        await connection.run("save_tenant", name="acme", quiet_seconds=0, escalation={}, operators={})
    yield opened
    await opened.stop()


async def test_on_the_web_an_answer_that_ends_without_another_word_ends_as_it_is(database: Database) -> None:
    feed, reply = WebMessages(database), uuid4()
    await feed.say(ACME, CONVERSATION, reply, "employee", "We are open from", final=False)
    await feed.say(ACME, CONVERSATION, reply, "employee", "", final=True)
    async with database.tenant(ACME) as connection:
        rows = await connection.run("web_feed", tenant=ACME, conversation=CONVERSATION, after=0, limit=9)
    assert [(row["text"], row["final"]) for row in rows] == [("We are open from", True)]
    await feed.say(ACME, CONVERSATION, CONVERSATION, "status", "is thinking", final=False)
    await feed.say(ACME, CONVERSATION, CONVERSATION, "status", "", final=False)  # a status does end so
    async with database.tenant(ACME) as connection:
        rows = await connection.run("web_feed", tenant=ACME, conversation=CONVERSATION, after=0, limit=9)
    assert [row["text"] for row in rows if row["role"] == "status"] == [""]


async def test_what_hands_over_goes_on_in_the_message_in_which_an_answer_was_begun(
    database: Database, database_url: str
) -> None:
    tenure = (await hosting.take(database, 0, [SHARD]))[SHARD]
    said = Inbound(ACME, "slack", "D0:1", CONVERSATION, SHARD, ADDRESS, "U0ALICE", "I want a human", "1")
    [heard] = await turns.hear(database, [said])
    assert heard is not None
    turn = turn_id(ACME, CONVERSATION, heard.id)
    begun = Reply(reply_id(ACME, turn, 0), ACME, CONVERSATION, turn, 0, "Somebody comes.", "slack", ADDRESS)
    await turns.open_reply(database, begun, shard=SHARD, epoch=tenure.epoch, version=0, claim_seconds=1.0)
    outcome = Outcome(turn, [heard], {}, [], [], [begun], None, outcome="escalated")
    await turns.commit(database, outcome, epoch=tenure.epoch, version=0, claim_seconds=1.0)
    with psycopg.connect(database_url) as owner:
        assert owner.execute("select state, text from outbox").fetchall() == [("pending", "Somebody comes.")]


async def test_what_nobody_wants_any_more_is_told_apart_from_what_another_host_claims(
    database: Database, database_url: str
) -> None:
    tenure = (await hosting.take(database, 0, [SHARD]))[SHARD]
    reply = Reply(reply_id(ACME, uuid4(), 0), ACME, CONVERSATION, uuid4(), 0, "", "slack", ADDRESS)
    outbox = Outbox(database)
    await turns.open_reply(database, reply, shard=SHARD, epoch=tenure.epoch, version=0, claim_seconds=0.0)
    assert await outbox.record_external_id(reply, tenure.epoch, "1.1")
    successor = (await hosting.take(database, 1, [SHARD]))[SHARD]
    assert await outbox.claim(reply, shard=SHARD, epoch=successor.epoch, seconds=1.0) == 0
    with pytest.raises(Fenced):
        await outbox.record_external_id(reply, tenure.epoch, "1.1")
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("update outbox set state = 'cancelled'")  # as disconnect_channel does
        assert not await outbox.record_external_id(reply, successor.epoch, "1.1")
        owner.execute("delete from outbox")  # as erase_contact does
        assert not await outbox.record_external_id(reply, successor.epoch, "1.1")

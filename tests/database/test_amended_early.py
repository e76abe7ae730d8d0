"""Edits and deletions that overtake their message: what was taken back is not answered, however late it comes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from konstruct.database import amendments
from konstruct.identity import conversation_id, shard_of, tenant_id
from tests.database.test_slack_inbound import SHOP, rows, until
from tests.rig import APP, Rig, rig
from tests.whatsapp_rig import WhatsAppRig, whatsapp_rig

DM = "D0ALICE"
CONVERSATION = conversation_id(tenant_id("acme"), "slack", f"{APP.team}:{DM}:")
SECRET = "my password is hunter2"
TS = "1793000000.000100"
SAID = {"type": "message", "channel_type": "im", "user": "U0ALICE", "channel": DM, "ts": TS, "text": SECRET}
EARLY = "insert into amended_early values (%s, %s, %s, null, now() - %s::interval)"


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path, retry_seconds=(1.5,)) as under_test:
        yield under_test


@asynccontextmanager
async def outage(k: Rig) -> AsyncIterator[None]:
    """Nothing can be stored meanwhile."""
    with psycopg.connect(k.settings.database_url or "") as owner:
        owner.execute("lock table inbox in access exclusive mode")
        yield


async def delivered_again(k: Rig) -> None:
    await until(lambda: k.slack.courier.deliveries[0].acknowledged)
    assert len(k.slack.courier.deliveries[0].attempts) == 2
    await until(lambda: not rows(k, "select 1 from inbox where state = 'waiting'"))


def left_of(k: Rig, text: str) -> list[str]:
    tables = ("messages", "memories", "inbox", "outbox", "amended_early")
    return [t for t in tables if rows(k, f"select 1 from {t} x where x::text like %s", f"%{text}%")]


@pytest.mark.parametrize("channel", [DM, SHOP])
async def test_what_was_deleted_while_it_could_not_be_stored_is_not_answered(k: Rig, channel: str) -> None:
    async with outage(k):
        said = await k.slack.say(SECRET, channel=channel)
        assert said.status == 503
    assert (await k.slack.people.delete(said.ts, channel=channel)).status == 200
    await delivered_again(k)
    assert rows(k, "select state, body::text from inbox order by id") == [("applied", "{}"), ("withdrawn", "{}")]
    await k.slack.say("hello")
    assert await k.replies(1) == ["You said: hello"]
    assert "hunter2" not in str(k.model.requests)
    assert left_of(k, "hunter2") == []


async def test_what_was_edited_while_it_could_not_be_stored_is_answered_as_edited(k: Rig) -> None:
    async with outage(k):
        said = await k.slack.say("how are tees?")
        assert said.status == 503
    await k.slack.people.edit(said.ts, "how are fees?")
    await delivered_again(k)
    assert await k.replies(1) == ["You said: how are fees?"]
    assert left_of(k, "tees") == []


async def test_a_deletion_waits_for_the_message_that_is_being_stored(k: Rig) -> None:
    address = {"team": APP.team, "channel": DM, "private": True}
    body = {"address": address, "contact": "U0ALICE", "text": SECRET, "source_id": TS}
    gone = {"type": "message", "subtype": "message_deleted", "channel_type": "im", "channel": DM, "hidden": True}
    with psycopg.connect(k.settings.database_url or "") as storing:
        storing.execute(
            "select * from hear(%s, %s, %s, %s, %s, %s, %s::jsonb[])",
            [
                [tenant_id("acme")], ["slack"], [f"{DM}:{TS}"], [CONVERSATION], [shard_of(CONVERSATION)], [False],
                [json.dumps(body)],
            ],
        )  # fmt: skip
        assert (
            await k.slack.send(gone | {"deleted_ts": TS, "previous_message": SAID, "ts": "1793000001.1"})
        ).status == 200
        await asyncio.sleep(0.3)
    await until(lambda: not rows(k, "select 1 from inbox where state = 'waiting'"))
    assert sorted(rows(k, "select state from inbox")) == [("applied",), ("withdrawn",)]
    assert left_of(k, "hunter2") == []
    assert k.model.calls == 0


async def test_an_amendment_of_last_week_is_of_no_effect_and_forgotten(k: Rig) -> None:
    with psycopg.connect(k.settings.database_url or "", autocommit=True) as owner:
        for source, age in ((TS, "9 days"), ("recent", "7 days")):
            owner.execute(EARLY.encode(), [tenant_id("acme"), CONVERSATION, source, age])
    assert (await k.slack.send(SAID)).status == 200
    assert await k.replies(1) == [f"You said: {SECRET}"]
    await amendments.forget_early(k.database)
    assert rows(k, "select source_id from amended_early") == [("recent",)]


async def both(k: WhatsAppRig, act: str) -> list[Any]:
    """A message, and then what changes it, not delivered yet."""
    with k.whatsapp.notifier.held() as held:
        said = await k.whatsapp.say("Open on Monday?")
        await (k.whatsapp.people.revoke(said.ts) if act == "revoke" else k.whatsapp.people.edit(said.ts, "On Sunday?"))
    return list(held)


@pytest.mark.parametrize("together", [True, False])
async def test_a_revoke_ahead_of_its_message_takes_it_back(
    database_url: str, tmp_path: Path, *, together: bool
) -> None:
    async with whatsapp_rig(database_url, tmp_path) as k:
        said, revoked = await both(k, "revoke")
        for request in [[revoked, said]] if together else [[revoked], [said]]:
            assert (await k.whatsapp.notifier.deliver_held(request)).status == 200
            await k.becomes("select count(*) from inbox where state = 'waiting'", [(0,)])
        await k.whatsapp.say("hello")
        assert await k.replies(1) == ["You said: hello"]
        assert k.rows("select state from inbox order by state") == [("answered",), ("applied",), ("withdrawn",)]
        assert "Monday" not in str(k.rows("select body, error from inbox"))


async def test_an_edit_ahead_of_its_message_is_what_gets_answered(database_url: str, tmp_path: Path) -> None:
    async with whatsapp_rig(database_url, tmp_path) as k:
        said, edited = await both(k, "edit")
        for request in ([edited], [said]):
            assert (await k.whatsapp.notifier.deliver_held(request)).status == 200
            await k.becomes("select count(*) from inbox where state = 'waiting'", [(0,)])
        assert await k.replies(1) == ["You said: On Sunday?"]

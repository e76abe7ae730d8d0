"""Attempts are counted once a crash; what is set aside takes its answer along, and other answers go on."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from actors import conversation_host
from konstruct import tenant_file
from konstruct.database import amendments, dead_letters, hosting, tenants, turns
from konstruct.database.pool import Database
from konstruct.identity import conversation_id, reply_id, shard_of, tenant_id, turn_id
from konstruct.messages import Address, Heard, Inbound, Reply
from konstruct.vault import Vault
from tests.rig import APP, TENANT, Rig, rig

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


async def say(database: Database, *numbers: int) -> list[Heard]:
    said = [
        Inbound(ACME, "slack", f"D0:{n}", CONVERSATION, SHARD, ADDRESS, "U0ALICE", f"message {n}", str(n))
        for n in numbers
    ]
    return [one for one in await turns.hear(database, said) if one is not None]


async def begun(database: Database) -> tuple[list[Heard], int]:
    """Two messages that wait, an answer to the first that is visible already, and the shard's epoch."""
    epoch = (await hosting.take(database, 0, [SHARD]))[SHARD].epoch
    heard = await say(database, 1, 2)
    turn = turn_id(ACME, CONVERSATION, heard[0].id)
    reply = Reply(reply_id(ACME, turn, 0), ACME, CONVERSATION, turn, 0, "", "slack", ADDRESS)
    await turns.open_reply(database, reply, shard=SHARD, epoch=epoch, version=0, claim_seconds=1.0)
    return heard, epoch


def states(url: str) -> list[str]:
    with psycopg.connect(url) as owner:
        return [row[0] for row in owner.execute("select state from outbox").fetchall()]


async def test_the_answer_that_was_begun_for_it_is_not_waited_for(database: Database, database_url: str) -> None:
    heard, epoch = await begun(database)
    for _ in range(turns.ATTEMPTS_LIMIT):
        assert states(database_url) == ["streaming"]
        dead = await turns.count_attempt(database, heard[:1], epoch=epoch, error=None)
    assert dead == {heard[0].id}
    assert states(database_url) == ["cancelled"]


async def test_the_answer_to_an_earlier_message_goes_on(database: Database, database_url: str) -> None:
    heard, epoch = await begun(database)
    for _ in range(turns.ATTEMPTS_LIMIT):
        dead = await turns.count_attempt(database, heard[1:], epoch=epoch, error=None)
    assert dead == {heard[1].id}
    assert states(database_url) == ["streaming"]


async def test_one_crash_is_counted_once_however_often_the_turn_begins_anew(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        await k.slack.say("hello")
        await k.replies(1)
        await k.crash_host(k.hosts[0])
        await k.slack.say("are you there?")
        k.model.fault("delay", seconds=0.4, times=4)
        await k.start_host()  # the message is older than that crash: it may have been the cause
        place = conversation_id(ACME, "slack", f"{APP.team}:D0ALICE:")
        for calls in range(2, 6):
            async with asyncio.timeout(15):
                while k.model.calls < calls:
                    await asyncio.sleep(0.02)
            # The conversation moves on under the turn, which has to begin anew.
            assert await amendments.resume(k.database, ACME, place)
        assert (await k.replies(2))[-1] == "You said: are you there?"
    with psycopg.connect(database_url) as owner:
        assert owner.execute("select max(attempts) from inbox").fetchone() == (1,)


async def test_however_often_hosts_come_and_go_in_order_what_waits_met_no_crash(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation_host, "DRAIN_SECONDS", 0.1)
    async with rig(database_url, tmp_path) as k:
        k.model.fault("hang", times=turns.ATTEMPTS_LIMIT + 1)
        await k.slack.say("are you there?")
        for calls in range(1, turns.ATTEMPTS_LIMIT + 2):
            async with asyncio.timeout(15):
                while k.model.calls < calls:
                    await asyncio.sleep(0.02)
            await k.stop_host(k.hosts[0])  # in the middle of the turn
            await k.start_host()
        assert await k.replies(1) == ["You said: are you there?"]
    with psycopg.connect(database_url) as owner:
        assert owner.execute("select attempts, state from inbox").fetchall() == [(0, "answered")]


async def test_a_crash_is_on_record_also_for_owners_that_come_after_a_handover_in_order(database: Database) -> None:
    heard, epoch = await begun(database)
    crashed = (await hosting.take(database, 1, [SHARD]))[SHARD]
    assert (crashed.epoch, crashed.calm_epoch) == (epoch + 1, epoch + 1)
    await turns.count_attempt(database, heard[:1], epoch=crashed.epoch, error=None)
    await hosting.leave(database, {SHARD: crashed})
    after = (await hosting.take(database, 2, [SHARD]))[SHARD]
    assert (after.epoch, after.calm_epoch) == (epoch + 2, epoch + 1)
    state = await turns.activate(database, ACME, CONVERSATION, SHARD)
    # The first one's crash was counted; the second one's is not yet, and must be.
    assert [(h.attempts, h.epoch < after.calm_epoch) for h in state.waiting] == [(1, False), (0, True)]


async def test_a_message_that_came_while_its_host_was_dead_already_met_no_crash(database: Database) -> None:
    async def suspects(tenure: hosting.Tenure) -> list[bool]:
        state = await turns.activate(database, ACME, CONVERSATION, SHARD)
        return [h.epoch < tenure.calm_epoch for h in state.waiting]

    await hosting.take(database, 0, [SHARD])
    await say(database, 1)
    await asyncio.sleep(0.05)
    there = time.monotonic()  # the successor's process, as the host has crashed
    await asyncio.sleep(0.05)
    await say(database, 2)
    successor = (await hosting.take(database, 0, [SHARD], there=timedelta(seconds=time.monotonic() - there)))[SHARD]
    assert await suspects(successor) == [True, False]
    await hosting.leave(database, {SHARD: successor})
    in_order = (await hosting.take(database, 1, [SHARD], there=timedelta(hours=1)))[SHARD]
    assert await suspects(in_order) == [True, False]
    crashed = (await hosting.take(database, 1, [SHARD]))[SHARD]
    assert await suspects(crashed) == [True, True]


async def test_who_was_fenced_has_nothing_to_leave(database: Database) -> None:
    old = (await hosting.take(database, 0, [SHARD]))[SHARD]
    new = (await hosting.take(database, 1, [SHARD]))[SHARD]
    await hosting.leave(database, {SHARD: old})
    again = (await hosting.take(database, 2, [SHARD]))[SHARD]
    assert again.calm_epoch == again.epoch == new.epoch + 1


async def test_what_an_operator_ends_is_no_crash(database: Database) -> None:
    before = (await hosting.take(database, 0, [SHARD]))[SHARD]
    await hosting.leave_all(database)
    after = (await hosting.take(database, 0, [SHARD]))[SHARD]
    assert (after.epoch, after.calm_epoch) == (before.epoch + 1, before.calm_epoch)


async def with_operators(k: Rig) -> None:
    text = TENANT.format(tenant="acme", app=APP, quiet=0) + "operators: {slack_channel: C0OPS}\n"
    assert await tenants.apply_tenant(k.database, tenant_file.parse(text, {}), Vault(k.settings.master_keys))


async def test_operators_are_told_once_of_each_time_that_a_message_is_set_aside(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.attempts.TELL_EVERY_SECONDS", 0.01)
    async with rig(database_url, tmp_path) as k:
        await with_operators(k)
        with monkeypatch.context() as broken:
            broken.setattr("actors.turn.prompt.build", lambda *_, **__: 1 / 0)
            await k.slack.say("divide this")
            (notice,) = await k.replies(1, channel="C0OPS", timeout=30)
            assert "divide" not in notice
            letter = notice.split("message/")[1].split()[0]
            assert "konstruct dead-letters" in notice
            await asyncio.sleep(2)  # several sweeps
            assert await k.texts("C0OPS") == [notice]
            assert await retried(k, letter)
            assert len(await k.replies(2, channel="C0OPS", timeout=30)) == 2
        assert await retried(k, letter)
        assert await k.replies(1, timeout=30) == ["You said: divide this"]


async def retried(k: Rig, letter: str) -> bool:
    async with k.database.tenant(ACME) as connection:
        return await dead_letters.retry(connection, "message", letter)


async def test_operators_are_told_of_a_message_that_crashed_its_hosts(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation_host, "DRAIN_SECONDS", 0.1)
    async with rig(database_url, tmp_path) as k:
        await with_operators(k)
        k.model.fault("hang", times=9)
        await k.slack.say("are you there?")
        for calls in range(1, turns.ATTEMPTS_LIMIT + 1):
            async with asyncio.timeout(15):
                while k.model.calls < calls:
                    await asyncio.sleep(0.02)
            await k.crash_host(k.hosts[0])
            await k.start_host()
        assert "message/" in (await k.replies(1, channel="C0OPS", timeout=30))[0]
        assert k.model.calls == turns.ATTEMPTS_LIMIT

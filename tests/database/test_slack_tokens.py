"""Tokens that expire, and the end of an installation."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from konstruct import outage
from konstruct.channels.slack import Client
from konstruct.database import installs
from konstruct.database.tenants import ChannelRow
from konstruct.errors import ChannelBusy, ChannelRefused
from konstruct.token_rotation import TokenRotation
from simulator import Fault
from tests.oauth import OURS, SETTINGS, answers, channel, install, rows, spoken, vault
from tests.rig import APP, Rig, apply, rig


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path, chosen=SETTINGS, clients=[OURS]) as under_test:
        yield under_test


@pytest_asyncio.fixture
async def rotating(k: Rig) -> Rig:
    k.slack.set_options(token_rotation=True)
    assert (await install(k))[0] == 200
    return k


def refreshed(k: Rig) -> int:
    """How many refresh tokens were spent; the installation itself was one call."""
    return k.slack.api.calls["oauth.v2.access", "ok"] - 1


def expire(k: Rig, interval: str) -> None:
    rows(k, f"update channels set expires_at = now() + interval '{interval}' where installed_by = 'oauth'")


async def test_a_token_with_less_than_two_hours_is_renewed_once_by_however_many_processes(rotating: Rig) -> None:
    async with aiohttp.ClientSession() as session:
        client, url = Client("1.2", "planted-client-secret"), rotating.slack.url
        processes = [TokenRotation(rotating.database, vault(rotating), session, url, client) for _ in range(5)]
        row = await channel(rotating)
        assert await asyncio.gather(*(process.fresh(row) for process in processes)) == [row] * 5
        assert refreshed(rotating) == 0
        expire(rotating, "-1 minute")
        row = await channel(rotating)
        found = await asyncio.gather(*(process.fresh(row) for process in processes), return_exceptions=True)
        assert refreshed(rotating) == 1
        assert sum(isinstance(one, ChannelRow) for one in found) == 1
        assert all(isinstance(one, ChannelRow | ChannelBusy) for one in found)
        renewed = await channel(rotating)
        assert renewed.secrets["refresh_token"] != row.secrets["refresh_token"]
        assert renewed.expires_at is not None
        assert renewed.expires_at > time.time() + 40_000


async def test_senders_use_the_new_token_without_noticing(rotating: Rig) -> None:
    rotating.slack.installations.revoke_token((await channel(rotating)).secrets["bot_token"])
    expire(rotating, "-1 minute")
    assert await answers(rotating, "hello") == ["You said: hello"]
    assert refreshed(rotating) == 1


async def test_a_host_that_still_holds_the_old_token_looks_for_a_new_one_before_it_gives_up(rotating: Rig) -> None:
    assert await answers(rotating, "hello") == ["You said: hello"]
    old = await channel(rotating)
    await install(rotating)
    rotating.slack.installations.revoke_token(old.secrets["bot_token"])
    assert "You said: again" in await answers(rotating, "again", 2)
    assert rows(rotating, "select count(*) from outbox where state = 'dead'") == [(0,)]


async def test_while_another_host_renews_the_token_a_message_waits_and_is_not_counted(rotating: Rig) -> None:
    assert await answers(rotating, "hello") == ["You said: hello"]
    expire(rotating, "-1 minute")
    # The renewing host is slow: it has the lease, and Slack takes four seconds to answer it.
    rotating.slack.faults.rules += [Fault("latency", "oauth.v2.access", delay_seconds=4)]
    async with aiohttp.ClientSession() as session:
        client, url = Client("1.2", "planted-client-secret"), rotating.slack.url
        elsewhere = TokenRotation(rotating.database, vault(rotating), session, url, client)
        renewing = asyncio.create_task(elsewhere.fresh(await channel(rotating)))
        await asyncio.sleep(0.2)
        (host,) = rotating.hosts
        await rotating.start_host()
        await rotating.stop_host(host)
        begun = time.monotonic()
        assert "You said: again" in await answers(rotating, "again", 2)
        assert time.monotonic() - begun > 2
        assert (await renewing).secrets["bot_token"] == (await channel(rotating)).secrets["bot_token"]
    assert refreshed(rotating) == 1
    assert rows(rotating, "select state, attempts, count(*) from inbox group by 1, 2") == [("answered", 0, 2)]


async def test_a_refresh_token_that_slack_refuses_is_no_token_to_wait_for(rotating: Rig) -> None:
    expire(rotating, "-1 minute")
    rotating.slack.faults.rules += [Fault("refuse", "oauth.v2.access", error="invalid_refresh_token", times=None)]
    async with aiohttp.ClientSession() as session:
        client = Client("1.2", "planted-client-secret")
        rotation = TokenRotation(rotating.database, vault(rotating), session, rotating.slack.url, client)
        with pytest.raises(ChannelRefused, match="invalid_refresh_token"):
            await rotation.fresh(await channel(rotating))


async def test_an_answer_waits_for_the_app_to_be_installed_again_where_its_token_is_refused(
    rotating: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "LOOK_SECONDS", 0.3)
    rotating.slack.installations.revoke_token((await channel(rotating)).secrets["bot_token"])
    waiting = asyncio.create_task(answers(rotating, "hello"))
    async with asyncio.timeout(10):
        while not rotating.slack.api.calls["chat.postMessage", "token_revoked"]:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    assert rows(rotating, "select state from outbox") == [("pending",)]
    await install(rotating)
    assert await waiting == ["You said: hello"]


async def test_tokens_lost_in_a_crash_leave_the_old_one_at_work_until_it_ends(rotating: Rig) -> None:
    expire(rotating, "1 hour")
    row = await channel(rotating)
    leased = await installs.lease(rotating.database, row, vault(rotating), timedelta(hours=2))
    assert leased is not None
    async with aiohttp.ClientSession() as session:
        # A process spends the refresh token, and dies before it stores what it got.
        form = {"grant_type": "refresh_token", "refresh_token": leased.secrets["refresh_token"]}
        client = {"client_id": "1.2", "client_secret": "planted-client-secret"}
        async with session.post(rotating.slack.url + "oauth.v2.access", data=form | client) as answer:
            assert (await answer.json())["ok"]
        rotation = TokenRotation(rotating.database, vault(rotating), session, rotating.slack.url, Client("1.2", "x"))
        assert await rotation.fresh(row) is row
        rows(rotating, "update channels set refreshing_until = now() - interval '1 second'")
    assert await answers(rotating, "hello") == ["You said: hello"]


# The end


@pytest.mark.parametrize("revoked_first", [True, False])
async def test_after_the_app_is_removed_nothing_more_is_sent_and_a_new_installation_works(
    k: Rig, *, revoked_first: bool
) -> None:
    await install(k)
    await answers(k, "hello")
    rows(k, "update channels set installed_at = now() - interval '1 minute'")
    rows(
        k,
        "insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch,"
        " claimed_until, channel, address) select tenant_id, gen_random_uuid(), conversation_id, shard, turn_id, 9,"
        " 'late', 'pending', 0, now() + interval '1 hour', channel, address from outbox limit 1",
    )
    for said in await k.slack.admin.uninstall(team="T0NEW", revoked_first=revoked_first):
        assert said.status == 200
    assert (await channel(k)).disconnected
    assert not (await channel(k, "T0ACME")).disconnected
    assert rows(k, "select state from outbox where part = 9") == [("cancelled",)]
    assert (await install(k))[0] == 200
    assert not (await channel(k)).disconnected
    assert "You said: again" in await answers(k, "again", len(spoken(k)) + 1)


async def test_a_late_revoke_does_not_end_a_fresh_installation(k: Rig) -> None:
    await install(k)
    long_ago = int(time.time()) - 3600
    said = await k.slack.admin.revoke_tokens(team="T0NEW", effective=False, event_time=long_ago)
    assert said.status == 200
    assert not (await channel(k)).disconnected
    assert await answers(k, "hello") == ["You said: hello"]


async def test_a_channel_of_the_file_that_was_removed_is_connected_again_by_applying_it(k: Rig) -> None:
    rows(k, "update channels set installed_at = now() - interval '1 minute'")
    await k.slack.admin.revoke_tokens(effective=False)
    assert (await channel(k, "T0ACME")).disconnected
    assert await apply(k, "acme", APP) is True
    assert not (await channel(k, "T0ACME")).disconnected
    assert await apply(k, "acme", APP) is False

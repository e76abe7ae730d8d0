"""Socket Mode: the same door behind a connection of ours; nothing is acknowledged before it is durable."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest_asyncio

from actors.wiring import failpoint_for
from deployments.socket_mode import SocketMode, socket_mode
from deployments.webhooks import Intake
from konstruct import tenant_file
from konstruct.database import tenants
from konstruct.database.pool import Database
from konstruct.metrics import Unmeasured
from konstruct.vault import Vault
from tests.rig import APP, TENANT, Rig, rig

TOKEN = "xapp-1-A0ACME-1-x"
ENTRY = f'slack: {{app_token: "{TOKEN}", '


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path, retry_seconds=(0.2, 0.5, 1.0), webhook_deadline=1.5) as under_test:
        under_test.slack.installations.apps[:] = [replace(APP, app_token=TOKEN)]
        await enter(under_test, ENTRY)
        yield under_test


async def enter(k: Rig, entry: str) -> None:
    text = TENANT.format(tenant="acme", app=APP, quiet=0).replace("slack: {", entry)
    await tenants.apply_tenant(k.database, tenant_file.parse(text, {}), Vault(k.settings.master_keys))


@asynccontextmanager
async def connected(k: Rig, database: Database | None = None) -> AsyncIterator[SocketMode]:
    """One replica more; `database`: where it stores, if not where the rig does."""
    failpoint = failpoint_for(replace(k.settings, failpoints=False))
    before = k.slack.sockets.connected(APP.app)
    mode = socket_mode(k.settings, k.database, Intake(database or k.database, k.wake, Unmeasured(), failpoint))
    task = asyncio.create_task(mode.run())
    try:
        async with asyncio.timeout(15):
            while k.slack.sockets.connected(APP.app) <= before:
                await asyncio.sleep(0.05)
        yield mode
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def rows(k: Rig, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(k.settings.database_url or "") as owner:
        return owner.execute(statement.encode()).fetchall()


async def test_messages_commands_and_presses_come_through_the_connection(k: Rig) -> None:
    k.slack.courier.webhook = None
    async with connected(k):
        assert (await k.slack.say("hello")).status == 200
        assert await k.replies(1) == ["You said: hello"]
        shown = await k.slack.people.command("/konstruct", "help")
        assert "/konstruct pause" in shown.answer
        ts = next(message.ts for message in k.slack.messages("D0ALICE") if message.user == APP.bot_user)
        async with asyncio.timeout(10):
            while not rows(k, "select 1 from outbox where state = 'sent'"):
                await asyncio.sleep(0.05)
        assert (await k.slack.people.press(ts, "negative")).status == 200
        assert rows(k, "select positive from feedback") == [(False,)]


async def test_what_waits_names_the_envelope_that_brought_it(k: Rig) -> None:
    await k.stop_host(k.hosts[0])
    async with connected(k):
        assert (await k.slack.say("hello")).status == 200
    [(request,)] = rows(k, "select body ->> 'request' from inbox")
    assert request


async def test_when_slack_asks_to_move_the_connection_is_made_anew_and_two_double_nothing(k: Rig) -> None:
    async with connected(k), connected(k):
        await k.slack.sockets.disconnect("refresh_requested")
        async with asyncio.timeout(20):
            while k.slack.sockets.connected(APP.app) < 2:
                await asyncio.sleep(0.05)
        event_ids = await asyncio.gather(*(k.slack.say("hello", copies=2) for _ in range(1)))
        assert all(said.status == 200 for said in event_ids)
        assert await k.replies(1) == ["You said: hello"]
        assert len(rows(k, "select * from inbox")) == 1


async def test_what_could_not_be_stored_is_not_acknowledged_and_comes_again(k: Rig) -> None:
    away = Database(k.settings.database_url or "", 2)
    async with connected(k, away):
        said = await k.slack.say("hello")
        assert said.status is None
        assert rows(k, "select * from inbox") == []
        await away.start()
        assert await k.replies(1, timeout=20) == ["You said: hello"]
        assert len(rows(k, "select * from inbox")) == 1
    await away.stop()


async def test_who_asks_no_more_is_disconnected(k: Rig) -> None:
    async with connected(k) as mode:
        await enter(k, "slack: {")
        await mode.follow()
        async with asyncio.timeout(10):
            while k.slack.sockets.connected(APP.app):
                await asyncio.sleep(0.05)

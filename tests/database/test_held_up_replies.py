"""Replies that do not get out: a drain lets go of them, operators are told, the conversation goes on."""

import asyncio
import time
from pathlib import Path

import pytest

from konstruct import tenant_file
from konstruct.database import installation, tenants
from konstruct.vault import Vault
from simulator import Fault
from tests.rig import APP, TENANT, Rig, rig


async def failed(k: Rig, method: str, times: int = 1) -> None:
    """Wait until Slack has failed so many calls."""
    async with asyncio.timeout(10):
        while sum(n for (name, how), n in k.slack.api.calls.items() if name == method and how != "ok") < times:
            await asyncio.sleep(0.02)


async def test_a_drain_lets_go_at_once_of_what_waits_for_an_operator_and_the_successor_sends_it(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path) as k:
        k.slack.faults.rules += [Fault("refuse", "chat.postMessage", times=1000, error="token_revoked")]
        await k.slack.say("first")
        await failed(k, "chat.postMessage")
        await k.slack.say("second")
        await asyncio.sleep(0.2)
        begun = time.monotonic()
        await k.stop_host(k.hosts[0])
        assert time.monotonic() - begun < 5
        k.slack.faults.rules.clear()
        await k.start_host()
        assert await k.replies(2) == ["You said: first", "You said: second"]


async def test_a_reply_that_only_fails_is_told_of_set_aside_and_the_next_one_goes_out(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("konstruct.outage.STUCK_SECONDS", 2.0)
    monkeypatch.setattr("konstruct.delivery.LONGEST_PAUSE_SECONDS", 0.2)
    async with rig(database_url, tmp_path) as k:
        parsed = tenant_file.parse(
            TENANT.format(tenant="acme", app=APP, quiet=0) + "operators: {slack_channel: C0OPS}\n", {}
        )
        await tenants.apply_tenant(k.database, parsed, Vault(k.settings.master_keys))
        k.slack.faults.rules += [
            Fault("refuse", "chat.postMessage", channel="D0ALICE", times=None, error="internal_error")
        ]
        await k.slack.say("poison")
        (told,) = await k.replies(1, channel="C0OPS")
        assert "internal_error" in told and "does not get out" in told
        assert await installation.dead_letters(k.database) == []
        _, aside = await k.replies(2, channel="C0OPS")
        assert "could not be delivered" in aside
        async with asyncio.timeout(5):
            while not (letters := await installation.dead_letters(k.database)):
                await asyncio.sleep(0.05)
        (letter,) = letters
        assert (letter.kind, "internal_error" in (letter.error or "")) == ("reply", True)
        k.slack.faults.rules.clear()
        await k.slack.say("fine")
        assert await k.replies(1) == ["You said: fine"]
        assert len(await k.texts("C0OPS")) == 2

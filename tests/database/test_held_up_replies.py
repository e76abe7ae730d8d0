"""Replies that do not get out: a drain lets go of them, operators are told, the conversation goes on."""

import asyncio
import time
from pathlib import Path

from simulator import Fault
from tests.rig import Rig, rig


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

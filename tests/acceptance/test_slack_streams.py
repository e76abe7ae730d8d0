"""Fifty long answers at once in Slack, streamed by the real installation through faults, tiers and a killed host."""

import asyncio
import os
import signal
from pathlib import Path

from simulator import Fault, SlackSimulator
from simulator.slack.simulator import Said
from tests.acceptance.conftest import GLOBEX, Installation
from tests.stub_model import StubModel

PEOPLE, ROUNDS = 50, 2
TIERS = {"chat.startStream": 20, "chat.stopStream": 20, "chat.update": 50, "chat.appendStream": 100}
FAULTS = (("rate_limit", 0.05), ("server_error", 0.02), ("hang_after_delivery", 0.01))


def long(messages: list[dict[str, str]]) -> str:
    """An answer that says which message it answers and takes some seconds."""
    return f"{messages[-1]['content']}: " + " ".join(f"word{n}" for n in range(40))


async def hosts(installation: Installation) -> list[int]:
    return [host["pid"] for host in (await installation.ready())["hosts"] if Path(f"/proc/{host['pid']}").exists()]


def read(slack: SlackSimulator, said: Said) -> list[str]:
    """What the employee says in the message's thread."""
    messages = slack.messages(said.channel, thread_ts=said.ts, team=GLOBEX.team)
    return [message.shown for message in messages if message.user == GLOBEX.bot_user]


async def test_fifty_streams_through_faults_and_a_killed_host_lose_and_double_nothing(
    installation: Installation, slack: SlackSimulator, model: StubModel
) -> None:
    model.reply, model._word_seconds = long, 0.08
    slack.options.rates = TIERS
    slack.faults.rules += [
        Fault(kind, "*", times=None, probability=chance, delay_seconds=6)  # type: ignore[arg-type]
        for kind, chance in FAULTS
    ]
    wanted: list[tuple[Said, str]] = []
    for turn in range(ROUNDS):
        texts = [f"ask {turn} {person}" for person in range(PEOPLE)]
        said = await asyncio.gather(
            *(slack.say(text, channel=f"C0S{n}", team=GLOBEX.team) for n, text in enumerate(texts))
        )
        wanted += [(message, long([{"content": text}])) for message, text in zip(said, texts, strict=True)]
        await asyncio.sleep(2)
        if turn == 0:
            os.kill((await hosts(installation))[0], signal.SIGKILL)
    assert all(message.status == 200 for message, _ in wanted)
    async with asyncio.timeout(240):
        while any(answer not in read(slack, message) for message, answer in wanted):
            await asyncio.sleep(0.2)
    await asyncio.sleep(5)
    assert [read(slack, message) for message, _ in wanted] == [[answer] for _, answer in wanted]
    assert slack.api.calls["chat.startStream", "ok"] >= 8

"""A new master key on a running installation: two `konstruct up`, one `keys rotate`, and nobody notices."""

import asyncio
from contextlib import suppress
from itertools import count

import pytest

from simulator import SlackSimulator
from tests.acceptance.conftest import Installation
from tests.checker import check, in_order, text_of
from tests.stub_model import StubModel


@pytest.mark.timeout(1800)
async def test_the_master_key_is_replaced_while_messages_flow(
    installation: Installation, slack: SlackSimulator, model: StubModel
) -> None:
    said: list[int] = []
    engines = installation.engines()

    async def talk() -> None:
        for number in count(1):
            answer = await slack.say(text_of(number), team="T0GLOBEX", channel="D0GRACE", user="UGRACE")
            if answer.status == 200:
                said.append(number)
            await asyncio.sleep(2)

    talking = asyncio.create_task(talk())
    kept = installation.home / "secrets" / "master_keys"
    old, new = kept.read_text().strip(), installation.konstruct("keys", "generate").stdout.strip()
    kept.write_text(f"{new},{old}")
    refused = await run(installation, "keys", "rotate", new=f"{new},{old}")
    assert "run `konstruct up` with these keys first" in refused
    await run(installation, "up")
    rotated = await run(installation, "keys", "rotate")
    total = int(rotated.split(" of ")[1].split()[0])
    assert f"{total} of {total} secrets encrypted anew" in rotated and total >= 5, rotated
    assert "the first alone opens all" in await run(installation, "doctor")
    kept.write_text(new)
    await run(installation, "up")
    assert f"one in use, and it opens all {total} secrets" in await run(installation, "doctor")
    assert installation.engines() == engines, "the local model was loaded anew"
    talking.cancel()
    with suppress(asyncio.CancelledError):
        await talking
    async with asyncio.timeout(60):
        while not (verdict := check({"D0GRACE": in_order(said)}, {"D0GRACE": await answers(slack)})).clean:
            assert not verdict.doubled, verdict
            await asyncio.sleep(0.5)
    assert len(said) > 10


async def run(installation: Installation, *arguments: str, new: str = "") -> str:
    chosen = {"KONSTRUCT_MASTER_KEYS": new} if new else {}
    done = await asyncio.to_thread(installation.konstruct, *arguments, check=False, **chosen)
    return done.stdout + done.stderr


async def answers(slack: SlackSimulator) -> list[str]:
    return [m.shown for m in slack.messages("D0GRACE", team="T0GLOBEX") if m.user == "U0BO"]

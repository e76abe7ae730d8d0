"""Faults on the real installation: kills, zombies, restarts, resizing, upgrades; judged by the history checker."""

import asyncio
import os
import random
import signal
from pathlib import Path

import psutil

from deployments.installation import postgres, processes
from deployments.installation.layout import Layout
from konstruct.failpoints import NAMES
from konstruct.prompt import APOLOGY
from simulator import App, SlackSimulator
from tests.acceptance.conftest import Installation
from tests.acceptance.people import People
from tests.readiness import until_ready
from tests.stub_model import StubModel


async def hosts_up(installation: Installation, count: int, *, without: frozenset[int] = frozenset()) -> list[int]:
    """Pids of the hosts, once there are `count` and none of them is in `without`."""
    async with asyncio.timeout(60):
        while True:
            # The Supervisor's view is half a second old: a host just killed may still be in it.
            known = [host["pid"] for host in (await installation.ready())["hosts"]]
            pids = [pid for pid in known if Path(f"/proc/{pid}").exists()]
            if len(pids) == count and not without & set(pids):
                return pids
            await asyncio.sleep(0.2)


async def test_ten_kills_lose_double_and_misorder_nothing(
    installation: Installation, slack: SlackSimulator, model: StubModel
) -> None:
    people = People(slack)
    await hosts_up(installation, 2)
    talking = asyncio.create_task(people.talk(channels=6, messages=60, pause=0.6))
    for name in NAMES:
        armed = installation.arm(name)
        async with asyncio.timeout(60):
            while armed.exists():
                await asyncio.sleep(0.05)
        await people.caught_up()
    for _ in range(3):
        await asyncio.sleep(random.uniform(0, 2))
        os.kill(random.choice(await hosts_up(installation, 2)), signal.SIGKILL)
        await people.caught_up()
    await talking
    verdict = await people.verdict()
    assert verdict.clean, verdict
    assert model.calls


async def test_a_zombie_host_is_replaced_and_harmless(
    installation: Installation, slack: SlackSimulator, model: StubModel
) -> None:
    people = People(slack)
    pids = await hosts_up(installation, 2)
    talking = asyncio.create_task(people.talk(channels=8, messages=30, pause=0.5))
    await asyncio.sleep(2)
    os.kill(pids[0], signal.SIGSTOP)
    try:
        await hosts_up(installation, 2, without=frozenset(pids[:1]))
    finally:
        if Path(f"/proc/{pids[0]}").exists():
            os.kill(pids[0], signal.SIGCONT)
    await talking
    verdict = await people.verdict()
    assert verdict.clean, verdict
    assert model.calls


async def test_hosts_are_resized_while_messages_flow(
    installation: Installation, slack: SlackSimulator, model: StubModel
) -> None:
    people = People(slack)
    talking = asyncio.create_task(people.talk(channels=6, messages=50, pause=0.5))
    await asyncio.to_thread(installation.konstruct, "scale", "hosts", "3")
    assert len(await hosts_up(installation, 3)) == 3
    await asyncio.to_thread(installation.konstruct, "scale", "hosts", "2")
    assert len(await hosts_up(installation, 2)) == 2
    await talking
    verdict = await people.verdict()
    assert verdict.clean, verdict
    assert model.calls


async def test_other_settings_replace_the_hosts_while_messages_flow(
    installation: Installation, slack: SlackSimulator, model: StubModel
) -> None:
    people = People(slack)
    before, engines = await hosts_up(installation, 2), installation.engines()
    talking = asyncio.create_task(people.talk(channels=6, messages=80, pause=0.5))
    await asyncio.to_thread(installation.konstruct, "up", KONSTRUCT_LOG_LEVEL="warning")
    await hosts_up(installation, 2, without=frozenset(before))
    assert len(engines) == 1 and installation.engines() == engines, "the local model was loaded anew"
    await talking
    verdict = await people.verdict()
    assert verdict.clean, verdict
    assert model.calls


async def test_a_thousand_unanswered_messages_survive_the_end_of_everything(
    installation: Installation, slack: SlackSimulator, model: StubModel
) -> None:
    people = People(slack)
    model.fault("hang", times=100_000, seconds=600)
    for _ in range(20):
        await asyncio.gather(*(people.say(f"D0Q{number}") for number in range(50)))
    assert not people.judge().doubled
    killed = processes.find(Layout(installation.home))
    for process in killed:
        process.kill()
    psutil.wait_procs(killed, timeout=30)
    model._faults.clear()
    starting = asyncio.create_task(asyncio.to_thread(installation.konstruct, "up"))
    # Long before the shipped model is up somebody asks it something.
    await until_ready(installation.url, 120)
    await slack.say("What is the capital of France?", channel="D0EARLY", team=App().team)
    answer = await slack.expect(lambda e: e.kind == "message" and e.by_app and e.channel == "D0EARLY", seconds=180)
    assert answer.text != APOLOGY
    await starting
    verdict = await people.verdict(timeout=120)
    assert verdict.clean, verdict


async def test_postgresql_restarts_under_load_and_nothing_needs_a_restart_but_it(
    installation: Installation, slack: SlackSimulator, model: StubModel
) -> None:
    people = People(slack)
    talking = asyncio.create_task(people.talk(channels=6, messages=40, pause=0.5))
    for _ in range(2):
        await asyncio.sleep(4)
        await asyncio.to_thread(postgres.stop, installation.home / "postgres")
        await asyncio.sleep(1)
        await asyncio.to_thread(postgres.start, installation.home / "postgres")
    await talking
    verdict = await people.verdict()
    assert verdict.clean, verdict
    assert model.calls

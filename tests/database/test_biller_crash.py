"""A Biller killed with -9 at each of its steps: its successor goes on, and every micro is counted once."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from konstruct.failpoints import BILLING_NAMES
from tests.biller_rig import ACME, GLOBEX, BillingRig, billing_rig

CHECKOUT = Path(__file__).resolve().parents[2]
LEASE_SECONDS = 301


@pytest_asyncio.fixture
async def k(database_url: str) -> AsyncIterator[BillingRig]:
    async with billing_rig(database_url) as rig:
        yield rig


async def start(k: BillingRig, home: Path) -> asyncio.subprocess.Process:
    environment = os.environ | {
        "KONSTRUCT_HOME": str(home),
        "KONSTRUCT_DATABASE_URL": k.url,
        "KONSTRUCT_FAILPOINTS": "on",
        "KONSTRUCT_LOG_LEVEL": "error",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.biller_process", k.stripe.url, k.stripe.account.secret_key,
        str(k.stripe.clock.ahead_seconds), cwd=CHECKOUT, env=environment, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def finished(k: BillingRig) -> None:
    async with asyncio.timeout(60):
        while k.states() != {"sent": 20}:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("step", BILLING_NAMES)
async def test_killed_at_a_step_and_followed_by_another(k: BillingRig, tmp_path: Path, step: str) -> None:
    await k.subscribe(ACME)
    await k.subscribe(GLOBEX)
    for n in range(10):
        k.use(ACME, 10**n)
        k.use(GLOBEX, 7 * 10**n)
    (tmp_path / "failpoints").mkdir()
    (tmp_path / "failpoints" / step).write_text("")
    killed = await start(k, tmp_path)
    assert await asyncio.wait_for(killed.wait(), 60) == -signal.SIGKILL
    # Nobody knows what of a dead one's claims was told; after its lease they are the next one's.
    k.stripe.clock.advance(LEASE_SECONDS)
    successor = await start(k, tmp_path)
    try:
        await finished(k)
    finally:
        successor.kill()
        await successor.wait()
    assert (k.counted(ACME), k.counted(GLOBEX)) == (1_111_111_111, 7_777_777_777)
    assert k.stripe.report_meter_errors() == []


async def test_one_that_was_stopped_and_comes_back_makes_no_second_charge(k: BillingRig, tmp_path: Path) -> None:
    await k.subscribe(ACME)
    for n in range(20):
        k.use(ACME, 100 + n)
    (tmp_path / "failpoints").mkdir()
    (tmp_path / "failpoints" / "meter_sent").write_text("stop")
    zombie = await start(k, tmp_path)
    async with asyncio.timeout(60):
        while (tmp_path / "failpoints" / "meter_sent").exists():
            await asyncio.sleep(0.05)
    k.stripe.clock.advance(LEASE_SECONDS)
    successor = await start(k, tmp_path)
    try:
        await finished(k)
        zombie.send_signal(signal.SIGCONT)
        await asyncio.sleep(1)
    finally:
        for process in (zombie, successor):
            process.kill()
            await process.wait()
    assert k.counted() == k.ledger()
    assert k.states() == {"sent": 20}

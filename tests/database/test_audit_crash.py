"""An Auditor killed with -9 at every step of sealing, beside another: no row twice, none left out, the chain whole."""

import asyncio
import os
import sys
from pathlib import Path

import psycopg
import pytest

from konstruct.failpoints import SEALING
from tests.bench.bare_turns import BareTurns
from tests.crash import CHECKOUT
from tests.database.audited import ACME, Audited, audited


async def start(town: Audited) -> asyncio.subprocess.Process:
    environment = os.environ | {
        "KONSTRUCT_HOME": str(town.home),
        "KONSTRUCT_DATABASE_URL": town.url,
        "KONSTRUCT_MASTER_KEYS": ",".join(town.keys),
        "KONSTRUCT_FAILPOINTS": "on",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.auditor_process", stdout=asyncio.subprocess.PIPE, cwd=CHECKOUT, env=environment
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).strip() == b"ready"
    return process


async def until_all_are_sealed(url: str) -> None:
    left = """select count(*) from audit_events e where not exists (
                select from audit_seals s where (s.tenant_id, s.event_at, s.event_id) = (e.tenant_id, e.at, e.id))"""
    async with asyncio.timeout(60):
        while True:
            with psycopg.connect(url) as owner:
                if owner.execute(left.encode()).fetchone() == (0,):
                    return
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("beside", [0, 1], ids=["alone", "beside another"])
async def test_a_kill_at_every_step_of_sealing_leaves_a_whole_chain(
    database_url: str, tmp_path: Path, beside: int
) -> None:
    (tmp_path / "failpoints").mkdir()
    async with audited(database_url, tmp_path) as town:
        turns = await BareTurns.begin(town.database, "acme")
        others = [await start(town) for _ in range(beside)]
        for step in SEALING:
            victim = await start(town)
            (tmp_path / "failpoints" / step).touch()
            async with asyncio.timeout(60):
                while (tmp_path / "failpoints" / step).exists():
                    await turns.converse(2, 2)
            killed = [process for process in (victim, *others) if await is_dead(process)]
            assert len(killed) == 1
            for process in killed:
                assert process.returncode == -9
            others = [await start(town) if process in killed else process for process in others]
            if victim.returncode is None:
                victim.kill()
                await victim.wait()
        last = await start(town)
        await until_all_are_sealed(database_url)
        for process in (last, *others):
            process.kill()
            await process.wait()
        assert await town.findings(ACME) == await town.all_findings() == []
        assert town.intrude("select count(*) = count(distinct event_id) and count(*) = max(seq) from audit_seals") == [
            (True,)
        ]


async def is_dead(process: asyncio.subprocess.Process) -> bool:
    """Whoever reached the failpoint is, in a moment."""
    try:
        async with asyncio.timeout(2):
            await process.wait()
    except TimeoutError:
        return False
    return True

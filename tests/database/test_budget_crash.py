"""Hosts killed with -9 at every step of reserve and settle, as processes, on real PostgreSQL."""

import asyncio
import random
import signal
from pathlib import Path

import psycopg

from konstruct import tenant_file
from konstruct.database import tenants
from konstruct.failpoints import BUDGET_NAMES
from konstruct.vault import Vault
from tests.crash import HostProcess, Load, ended, hosting
from tests.rig import APP, TENANT, Rig, rig

STEPS = (*BUDGET_NAMES, "before_c2", "after_c2")
PAIRS_OF_KILLS = 4
BOOKS = """select (select spent_tokens from spending where scope = 'tenant'),
  (select sum(reserved_tokens)::bigint from spending), (select count(*) from reservations),
  (select sum(prompt_tokens + completion_tokens)::bigint from usage), (select count(*) from usage),
  (select count(distinct turn_id) from inbox where state = 'answered')"""


async def limit(k: Rig) -> None:
    text = TENANT.format(tenant="acme", app=APP, quiet=0) + "budgets: {tenant: {tokens: 1000000}}"
    assert await tenants.apply_tenant(k.database, tenant_file.parse(text, {}), Vault(k.settings.master_keys))


def check_books(k: Rig) -> None:
    """Each answered turn is paid for once, and nothing is held any more."""
    with psycopg.connect(k.settings.database_url or "") as owner:
        [(spent, reserved, held, ledger, paid, answered)] = owner.execute(BOOKS).fetchall()
    assert (spent, reserved, held) == (ledger, 0, 0)
    assert paid == answered > 0


async def test_a_kill_at_every_step_of_reserve_and_settle_loses_and_doubles_no_money(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path, hosts=0) as k:
        await limit(k)
        async with hosting(k) as hosts:
            load = Load(k)
            for name in STEPS:
                await load.say_into(name, 60)
                verdict = await load.verdict(120)
                assert verdict.clean, verdict
            assert ended(hosts) == len(STEPS)
            check_books(k)


async def test_kills_at_random_moments_of_turns_leave_the_books_right(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path, hosts=0) as k:
        await limit(k)
        async with hosting(k) as hosts:
            load = Load(k)
            for _ in range(PAIRS_OF_KILLS):
                await speak_and_kill(load, hosts)
                await speak_and_kill(load, hosts)
                # Three crashes would make a dead letter of the same message.
                verdict = await load.verdict(120)
                assert verdict.clean, verdict
            assert ended(hosts) == 2 * PAIRS_OF_KILLS
            check_books(k)


async def speak_and_kill(load: Load, hosts: list[HostProcess]) -> None:
    """Three people speak, and the host that hears them is killed soon after."""
    async with asyncio.timeout(60):
        while not hosts[-1].alive:
            await asyncio.sleep(0.02)
    await asyncio.gather(*(load.say(channel) for channel in ("D0ALICE", "D0BOB", "D0CAROL")))
    await asyncio.sleep(random.uniform(0, 0.3))
    hosts[-1].send(signal.SIGKILL)
    await hosts[-1].process.wait()

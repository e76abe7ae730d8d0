"""Conversations in memory and their activation from PostgreSQL, against one Ray actor per conversation."""

import asyncio

import asyncpg

from deployments.installation import ports
from deployments.installation.environment import process_environment
from konstruct.database import migrate
from tests.bench import place
from tests.bench.asked import Asked
from tests.bench.child import child
from tests.bench.figure import Figure, ratio_at_least
from tests.bench.inbox import Inbox
from tests.bench.installed import Installed, environment
from tests.bench.percentile import median

DATABASE = "bench_warm"
GIB = 1024**3


async def measure(asked: Asked, installed: Installed, _: Inbox) -> list[Figure]:
    """Load the host once to the full count, activate and create actors in turns."""
    conversations = int(asked.scaled(50_000, 3_000))
    url = await _database(installed)
    arguments = (installed.layout.home, url, installed.settings.master_keys[0])
    bytes_each, actor_bytes, activations, creations = [], [], [], []
    for number in range(min(asked.rounds, 3)):
        count = conversations if number == 0 else conversations // 5
        async with child("warm_process", *arguments, count) as host:
            warm = await host.result()
        activations.append(warm["activations_per_second"])
        if number == 0:
            bytes_each.append(warm["bytes_each"])
        async with child("actor_process", int(asked.scaled(8, 3)), environment=_ray(installed)) as actors:
            made = await actors.result()
        creations.append(made["actors_per_second"])
        actor_bytes.append(made["bytes_each"])
    await _drop(installed)
    against = "one Ray actor per conversation"
    actor = f"an actor {median(actor_bytes) / 1e6:.0f} MB"
    note = f"{conversations} loaded, {median(bytes_each):,.0f} bytes each; {actor}"
    return [
        Figure("warm conversations per GiB of host memory", GIB / median(bytes_each), "conversations",
               against, GIB / median(actor_bytes), ratio_at_least(1000), note),
        Figure("cold activations from PostgreSQL", median(activations), "per second",
               against, median(creations), ratio_at_least(100)),
    ]  # fmt: skip


async def _database(installed: Installed) -> str:
    """A database of its own beside the installation's."""
    await _drop(installed)
    owner = await asyncpg.connect(installed.settings.database_url)
    await owner.execute(f"create database {DATABASE}")
    await owner.close()
    url = _url(installed)
    await asyncio.to_thread(migrate.apply, url)
    return url


async def _drop(installed: Installed) -> None:
    owner = await asyncpg.connect(installed.settings.database_url)
    await owner.execute(f"drop database if exists {DATABASE} with (force)")
    await owner.close()


def _url(installed: Installed) -> str:
    before, _, after = (installed.settings.database_url or "").rpartition("/konstruct")
    return f"{before}/{DATABASE}{after}"


def _ray(installed: Installed) -> dict[str, str]:
    """The environment of a program that joins the installation's Ray."""
    chosen = ports.recall(installed.layout.ports_file)
    assert chosen is not None
    given = environment(installed.layout.home, place.HTTP_PORT, place.DASHBOARD_PORT)
    ours = process_environment(installed.layout, chosen, given)
    return {name: value for name, value in ours.items() if not name.startswith("RAY_SERVE")}

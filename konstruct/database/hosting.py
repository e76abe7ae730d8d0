"""Which host owns which shard, and under which epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from konstruct.database.pool import Database, TenantConnection
from konstruct.identity import SHARDS


@dataclass(frozen=True, slots=True)
class Hosting:
    """The mapping: shard % hosts = host. `generation` grows with every change of it.

    `wanted_hosts`: as somebody asked for; 0 = nobody did.
    """

    generation: int
    hosts: int
    wanted_hosts: int

    def wanted(self, default: int) -> int:
        """How many there should be; `default`: as the processes that run were told."""
        return self.wanted_hosts or default


@dataclass(frozen=True, slots=True)
class Tenure:
    """A shard is owned under `epoch`; `calm_epoch`: since then every owner before left in order."""

    epoch: int
    calm_epoch: int


def shards_of(host: int, hosts: int) -> list[int]:
    """The shards that host number `host` of `hosts` should own."""
    return [shard for shard in range(SHARDS) if shard % hosts == host]


async def read(database: Database) -> Hosting:
    """The mapping now."""
    row = await database.run("hosting")
    return Hosting(row["generation"], row["hosts"], row["wanted_hosts"])


async def want(connection: TenantConnection, hosts: int) -> None:
    """Ask the Supervisor for another number of hosts."""
    await connection.run("want_hosts", hosts=hosts)


async def remap(database: Database, hosts: int) -> int:
    """Record that there are `hosts` hosts from now on; answers the new generation."""
    generation: int = await database.run("set_hosts", hosts=hosts)
    return generation


async def take(
    database: Database, host: int, shards: list[int], *, there: timedelta = timedelta(0)
) -> dict[int, Tenure]:
    """Own these shards: bumps their epochs. From now on no older owner can commit.

    `there`: for how long the new owner has been there. One that crashed was gone by then, and met nothing after it.
    """
    rows = await database.run("take_shards", host=host, shards=shards, there=there)
    return {row["shard"]: Tenure(row["epoch"], row["calm_epoch"]) for row in rows}


async def leave(database: Database, tenures: Mapping[int, Tenure]) -> None:
    """Give shards up in order, nothing runs in them any more; of those that another took meanwhile nothing changes."""
    epochs = [tenure.epoch for tenure in tenures.values()]
    await database.run("leave_shards", shards=list(tenures), epochs=epochs)


async def leave_all(database: Database) -> None:
    """All hosts were ended on purpose: what waits met no crash."""
    await database.run("leave_all_shards")


async def waiting(database: Database, host: int, older_than: timedelta) -> list[tuple[UUID, UUID, int]]:
    """(tenant, conversation, shard) with something left to do for longer than `older_than`."""
    rows = await database.run("waiting_conversations", host=host, older_than=older_than)
    return [(row["tenant_id"], row["conversation_id"], row["shard"]) for row in rows]

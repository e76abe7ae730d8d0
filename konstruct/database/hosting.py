"""Which host owns which shard, and under which epoch."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from konstruct.database.pool import Database, TenantConnection
from konstruct.identity import SHARDS


@dataclass(frozen=True, slots=True)
class Hosting:
    """The mapping: shard % hosts = host. `generation` grows with every change of it."""

    generation: int
    hosts: int
    wanted_hosts: int


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


async def take(database: Database, host: int, shards: list[int]) -> dict[int, int]:
    """Own these shards: bumps and answers their epochs. From now on no older owner can commit."""
    rows = await database.run("take_shards", host=host, shards=shards)
    return {row["shard"]: row["epoch"] for row in rows}


async def owned(database: Database, host: int) -> dict[int, int]:
    """Shard -> epoch, as the database has it."""
    rows = await database.run("owned_shards", host=host)
    return {row["shard"]: row["epoch"] for row in rows}


async def waiting(database: Database, host: int, older_than: timedelta) -> list[tuple[UUID, UUID, int]]:
    """(tenant, conversation, shard) with something left to do for longer than `older_than`."""
    rows = await database.run("waiting_conversations", host=host, older_than=older_than)
    return [(row["tenant_id"], row["conversation_id"], row["shard"]) for row in rows]

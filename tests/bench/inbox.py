"""What only the database knows: whether everything is answered, how many commits there were, who committed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tests.bench.installed import Installed

# Backends report their statistics at the latest so long after their last transaction.
STATISTICS_SECONDS = 11


class Inbox:
    """The owner's view of the installation's database."""

    def __init__(self, pool: Any) -> None:
        """Use `watching`."""
        self._pool = pool

    async def waiting(self) -> int:
        """Messages that are durable and not answered."""
        return int(await self._pool.fetchval("select count(*) from inbox where state = 'waiting'"))

    async def unsent(self) -> int:
        """Replies that are committed and not marked as sent."""
        return int(await self._pool.fetchval("select count(*) from outbox where state in ('streaming', 'pending')"))

    async def dead(self) -> int:
        """Dead letters."""
        return int(await self._pool.fetchval("select count(*) from inbox where state = 'dead'"))

    async def commits(self) -> int:
        """Transactions committed in this database since it was made."""
        found = "select xact_commit from pg_stat_database where datname = current_database()"
        return int(await self._pool.fetchval(found))

    async def turns(self, tenant: str) -> int:
        """Turns of a tenant that committed so far."""
        found = "select count(distinct turn_id) from messages m join tenants t on t.id = m.tenant_id where t.name = $1"
        return int(await self._pool.fetchval(found, tenant))

    async def settled(self, seconds: float = 120) -> None:
        """Wait until everything is answered and marked; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while await self.waiting() or await self.unsent():
                await asyncio.sleep(0.2)

    async def left_of(self, host: int, hosts: int, since: float) -> int:
        """Messages for this host's shards that were there at `since` (seconds since 1970) and still wait."""
        found = """select count(*) from inbox where state = 'waiting' and shard % $1 = $2
            and received_at <= to_timestamp($3)"""
        return int(await self._pool.fetchval(found, hosts, host, since))

    async def endangered(self) -> int:
        """Messages that wait and have met two crashes: a third would make them dead letters, as designed."""
        return int(await self._pool.fetchval("select count(*) from inbox where state = 'waiting' and attempts > 1"))

    async def first_commit(self, host: int, hosts: int, since: float) -> float | None:
        """When (seconds since 1970) a turn first committed in this host's shards after `since`."""
        found = """select extract(epoch from min(last_turn_at))::float8 from conversations
            where shard % $1 = $2 and last_turn_at > to_timestamp($3)"""
        when = await self._pool.fetchval(found, hosts, host, since)
        return None if when is None else float(when)


@asynccontextmanager
async def watching(installed: Installed) -> AsyncIterator[Inbox]:
    """Open connections for the length of the block."""
    async with asyncpg.create_pool(installed.settings.database_url, min_size=1, max_size=3) as pool:
        yield Inbox(pool)

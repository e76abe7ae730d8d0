"""What takes long is done in a thread, on a connection of its own: webhooks are acknowledged meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from deployments.installation.tenants import open_database
from konstruct.database.pool import Database
from konstruct.settings import Settings

T = TypeVar("T")

# Not the loop's own threads: webhooks need those, and this takes minutes. What comes on top waits.
THREADS = ThreadPoolExecutor(4, thread_name_prefix="apart")


async def apart(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """What `work` answers; it shares no connection, and no event loop, with whoever awaits it."""

    async def run() -> T:
        async with open_database(settings) as database:
            return await work(database)

    return await asyncio.get_running_loop().run_in_executor(THREADS, lambda: asyncio.run(run()))

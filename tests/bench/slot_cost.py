"""What a turn pays for its slot."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from uuid import UUID, uuid4

from konstruct.fair_queue import FairQueue

TENANTS, TURNS, AT_ONCE = 60, 200, 16

Slot = Callable[[UUID], AbstractAsyncContextManager[None]]


async def measure() -> tuple[float, float]:
    """Microseconds per turn that waits for its slot: fair, and first come first served."""
    queue, semaphore = FairQueue(AT_ONCE), asyncio.Semaphore(AT_ONCE)
    fair = [await _spent(queue.slot) for _ in range(3)]
    bare = [await _spent(lambda _: _Held(semaphore)) for _ in range(3)]
    return min(fair), min(bare)


class _Held(AbstractAsyncContextManager[None]):
    def __init__(self, semaphore: asyncio.Semaphore) -> None:
        self._semaphore = semaphore

    async def __aenter__(self) -> None:
        await self._semaphore.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._semaphore.release()


async def _spent(slot: Slot) -> float:
    async def one(tenant: UUID) -> None:
        async with slot(tenant):
            await asyncio.sleep(0)

    tenants = [uuid4() for _ in range(TENANTS)]
    begun = time.process_time()
    await asyncio.gather(*(one(tenant) for tenant in tenants for _ in range(TURNS)))
    return 1e6 * (time.process_time() - begun) / (TENANTS * TURNS)

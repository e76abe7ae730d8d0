"""Turns that wait in a fair queue and end when they are told."""

import asyncio
from collections import Counter
from uuid import UUID, uuid5

from konstruct.fair_queue import FairQueue

SPACE = UUID("00000000-0000-0000-0000-00000000000f")
ACME, GLOBEX, INITECH, HOOLI = TENANTS = [uuid5(SPACE, name) for name in ("acme", "globex", "initech", "hooli")]


class Turns:
    """Turns that end when told; `started` names them in the order in which they got their slots."""

    def __init__(self, queue: FairQueue) -> None:
        self.queue = queue
        self.started: list[tuple[UUID, int]] = []
        self.ends: dict[tuple[UUID, int], asyncio.Event] = {}
        self.tasks: dict[tuple[UUID, int], asyncio.Task[None]] = {}
        self.asked: Counter[UUID] = Counter()
        # Kept, and not found out of the tasks: whoever asks often would look through all of them each time.
        self._running: dict[tuple[UUID, int], None] = {}
        self._waiting: dict[tuple[UUID, int], None] = {}

    async def ask(self, tenant: UUID, times: int = 1) -> None:
        for _ in range(times):
            turn = (tenant, self.asked[tenant])
            self.asked[tenant] += 1
            self.ends[turn] = asyncio.Event()
            self.tasks[turn] = asyncio.create_task(self._one(turn))
        await settled()

    async def _one(self, turn: tuple[UUID, int]) -> None:
        self._waiting[turn] = None
        try:
            async with self.queue.slot(turn[0]):
                del self._waiting[turn]
                self.started.append(turn)
                self._running[turn] = None
                await self.ends[turn].wait()
        finally:
            self._waiting.pop(turn, None)
            self._running.pop(turn, None)

    async def end(self, turn: tuple[UUID, int]) -> None:
        self.ends[turn].set()
        await settled()

    async def end_oldest(self) -> None:
        await self.end(self.running[0])

    async def give_up(self, turn: tuple[UUID, int]) -> None:
        self.tasks[turn].cancel()
        await settled()

    @property
    def running(self) -> list[tuple[UUID, int]]:
        return list(self._running)

    @property
    def waiting(self) -> list[tuple[UUID, int]]:
        return list(self._waiting)

    def held(self, tenant: UUID) -> int:
        return sum(turn[0] == tenant for turn in self.running)

    async def finish(self) -> None:
        for turn in self.ends:
            self.ends[turn].set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def settled() -> None:
    for _ in range(6):
        await asyncio.sleep(0)

"""Concurrent callers share one commit: what arrives while a flush runs goes out together with the next."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

import structlog

from konstruct.errors import Unstorable

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """Calls `flush` with up to `limit` items at a time, never twice at once; results come back in order."""

    def __init__(
        self,
        flush: Callable[[list[Item]], Awaitable[Sequence[Result]]],
        *,
        limit: int = 200,
        linger: float = 0.0,
        breath: float = 0.0,
        enough: int = 1,
        share: Callable[[Item], Hashable] | None = None,
    ) -> None:
        """`linger`: seconds to wait for company before a flush; 0 = a lone item goes at once.

        `breath`: seconds at most from the end of a flush that had company until `enough` wait for the next: under
        load, fewer and larger ones.
        `share`: whose item it is; each has an equal share of a batch, so that nobody's flood fills the batches.
        """
        self._flush = flush
        self._limit = limit
        self._linger = linger
        self._breath = breath
        self._enough = enough
        self._share = share or _nobody
        self._queues: dict[Hashable, deque[tuple[Item, asyncio.Future[Result]]]] = {}
        self._size = 0
        self._company: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def add(self, item: Item) -> asyncio.Future[Result]:
        """Queue an item; the future ends with its result, with Unstorable, or with the error of its whole flush."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(self._share(item), deque()).append((item, future))
        self._size += 1
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        elif self._company is not None and self._size >= self._enough:
            _end(self._company)
        return future

    def queued(self, share: Hashable) -> int:
        """How many of its items wait for a flush."""
        return len(self._queues.get(share, ()))

    @property
    def idle(self) -> bool:
        """Whether nothing is queued or on its way."""
        return self._task is None

    async def settle(self) -> None:
        """Wait until everything queued has been flushed."""
        while self._task is not None:
            await asyncio.shield(self._task)

    async def _work(self) -> None:
        try:
            structlog.contextvars.clear_contextvars()  # what is logged here is not of whoever came first
            while self._queues:
                if self._linger:
                    await asyncio.sleep(self._linger)
                batch = self._take()
                await self._flush_batch(batch)
                if self._breath and len(batch) > 1 and self._size < self._enough:
                    await self._breathe()
        finally:
            self._task = None

    async def _breathe(self) -> None:
        loop = asyncio.get_running_loop()
        self._company = loop.create_future()
        timer = loop.call_later(self._breath, _end, self._company)
        try:
            await self._company
        finally:
            timer.cancel()
            self._company = None

    def _take(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        """One item of each share in turn; who was served goes to the end, for the next batch too."""
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._queues and len(batch) < self._limit:
            share = next(iter(self._queues))
            queue = self._queues.pop(share)
            batch.append(queue.popleft())
            if queue:
                self._queues[share] = queue
        self._size -= len(batch)
        return batch

    async def _flush_batch(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._results([item for item, _ in batch])
            answered: list[tuple[tuple[Item, asyncio.Future[Result]], Result | Exception]] = [
                *zip(batch, results, strict=True)
            ]
        except Exception as error:  # noqa: BLE001 - every waiting caller must learn of it, whatever it is
            answered = [(one, error) for one in batch]
        for (_, future), result in answered:
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
                future.exception()  # a caller that no longer waits is not a reason for a warning
            else:
                future.set_result(result)

    async def _results(self, items: list[Item]) -> Sequence[Result | Exception]:
        """One item that cannot be stored keeps no other out: by halves it is found, until another error ends it."""
        try:
            return await self._flush(items)
        except Unstorable as refused:
            if len(items) == 1:
                return [refused]
        half = len(items) // 2
        return [*await self._results(items[:half]), *await self._results(items[half:])]


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _nobody(_: object) -> None:
    """All items are one share's."""

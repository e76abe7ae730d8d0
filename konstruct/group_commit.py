"""Concurrent callers share one commit: what arrives while a flush runs goes out together with the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

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
    ) -> None:
        """`linger`: seconds to wait for company before a flush; 0 = a lone item goes at once.

        `breath`: seconds between the end of a flush that had company and the next: under load, fewer and larger ones.
        """
        self._flush = flush
        self._limit = limit
        self._linger = linger
        self._breath = breath
        self._queue: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, item: Item) -> asyncio.Future[Result]:
        """Queue an item; the future ends with its result, or with the error of its whole flush."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return future

    async def settle(self) -> None:
        """Wait until everything queued has been flushed."""
        while self._task is not None:
            await asyncio.shield(self._task)

    async def _work(self) -> None:
        try:
            while self._queue:
                if self._linger:
                    await asyncio.sleep(self._linger)
                batch, self._queue = self._queue[: self._limit], self._queue[self._limit :]
                await self._flush_batch(batch)
                if self._breath and len(batch) > 1:
                    await asyncio.sleep(self._breath)
        finally:
            self._task = None

    async def _flush_batch(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._flush([item for item, _ in batch])
            answered = list(zip(batch, results, strict=True))
        except Exception as error:  # noqa: BLE001 - every waiting caller must learn of it, whatever it is
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # a caller that no longer waits is not a reason for a warning
            return
        for (_, future), result in answered:
            if not future.done():
                future.set_result(result)

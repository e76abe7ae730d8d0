"""Embeds texts for everybody, so that one process, not each, holds the embedding model."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import count

from konstruct.embedding import Encoder


class Embedder:
    """Runs an encoder in one thread beside the event loop; whoever has the fewest texts left is next."""

    def __init__(self, encoder: Encoder, at_once: int = 1) -> None:
        """Light: the model is loaded by `start`. After every `at_once` texts of one caller another may come first.

        So a question, somebody's answer waiting for it, is never behind what a flood left to be remembered.
        """
        self._encoder = encoder
        self._slice = at_once
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedder")
        self._busy = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    async def start(self) -> None:
        """Load the model; takes a second on a CPU."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._encoder.start)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One L2-normalised vector of `konstruct.embedding.DIMENSIONS` floats per text, in order."""
        loop = asyncio.get_running_loop()
        vectors: list[list[float]] = []
        for start in range(0, len(texts), self._slice):
            some = list(texts[start : start + self._slice])
            async with self._place(len(texts) - start):
                vectors += (await loop.run_in_executor(self._thread, self._encoder.encode, some)).tolist()
        return vectors

    async def stop(self) -> None:
        """Finish what was begun and end the thread."""
        await asyncio.to_thread(self._thread.shutdown)

    @asynccontextmanager
    async def _place(self, left: int) -> AsyncIterator[None]:
        if self._busy:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (left, next(self._numbers), place))
            try:
                await place
            except asyncio.CancelledError:
                if not place.cancelled():
                    self._pass_on()
                raise
        self._busy = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, place = heapq.heappop(self._waiting)
            if not place.done():
                place.set_result(None)
                return  # still busy: the place is handed over
        self._busy = False

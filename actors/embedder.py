"""Embeds texts for everybody, so that one process, not each, holds the embedding model."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from konstruct.embedding import Encoder


class Embedder:
    """Runs an encoder in one thread beside the event loop."""

    def __init__(self, encoder: Encoder, at_once: int = 2) -> None:
        """Light: the model is loaded by `start`. Between `at_once` texts of one caller, others have their turn."""
        self._encoder = encoder
        self._slice = at_once
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedder")

    async def start(self) -> None:
        """Load the model; takes a second on a CPU."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._encoder.start)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One L2-normalised vector of `konstruct.embedding.DIMENSIONS` floats per text, in order."""
        loop = asyncio.get_running_loop()
        vectors: list[list[float]] = []
        for start in range(0, len(texts), self._slice):
            some = list(texts[start : start + self._slice])
            vectors += (await loop.run_in_executor(self._thread, self._encoder.encode, some)).tolist()
        return vectors

    async def stop(self) -> None:
        """Finish what was begun and end the thread."""
        await asyncio.to_thread(self._thread.shutdown)

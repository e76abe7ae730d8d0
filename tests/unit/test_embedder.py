"""The shared embedder: questions pass what is to be remembered."""

import asyncio
import threading
from collections.abc import Sequence
from typing import cast

import numpy as np

from actors.embedder import Embedder
from konstruct.embedding import Encoder


class Slow:
    """An encoder that waits for a word; keeps what it was given, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.go = threading.Event()

    def start(self) -> None:
        pass

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.go.wait(5)
        self.seen += texts
        return np.array([[float(len(text))] for text in texts])


async def test_a_question_passes_the_memories_of_a_flood() -> None:
    slow = Slow()
    embedder = Embedder(cast("Encoder", slow))
    memories = [asyncio.create_task(embedder.embed([f"memory {n} {m}" for m in range(8)])) for n in range(3)]
    await asyncio.sleep(0.01)
    question = asyncio.create_task(embedder.embed(["question"]))
    await asyncio.sleep(0.01)
    slow.go.set()
    assert await question == [[8.0]]
    assert [len(vectors) for vectors in await asyncio.gather(*memories)] == [8, 8, 8]
    assert slow.seen[:2] == ["memory 0 0", "question"]
    await embedder.stop()


async def test_who_gives_up_holds_up_nobody() -> None:
    slow = Slow()
    embedder = Embedder(cast("Encoder", slow))
    tasks = [asyncio.create_task(embedder.embed([f"{n}"])) for n in range(5)]
    await asyncio.sleep(0.01)
    tasks[1].cancel()
    slow.go.set()
    await asyncio.sleep(0)
    tasks[3].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await embedder.embed(["last"]) == [[4.0]]
    await embedder.stop()

"""What is remembered is embedded at leisure."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import pytest

from actors import memory_job
from actors.memory_job import MemoryJob, Question
from konstruct.database.memories import MemoryKey
from konstruct.database.pool import Database
from konstruct.embedding import DIMENSIONS

EMBEDDING_SECONDS = 0.05


class Embedding:
    """An embedder that takes its time, and notes when it was asked what and when it had answered."""

    def __init__(self) -> None:
        self.portions: list[list[str]] = []
        self.asked: list[float] = []
        self.answered: list[float] = []

    async def __call__(self, questions: Sequence[Question]) -> list[list[float]]:
        self.portions.append([text for _, text in questions])
        self.asked.append(time.monotonic())
        await asyncio.sleep(EMBEDDING_SECONDS)
        self.answered.append(time.monotonic())
        return [[0.0] * DIMENSIONS for _ in questions]

    @property
    def rests(self) -> list[float]:
        """Seconds between an answer and the next question."""
        return [asked - answered for answered, asked in zip(self.answered, self.asked[1:], strict=False)]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The application's own pool."""
    pool = Database(database_url)
    await pool.start()
    yield pool
    await pool.stop()


async def test_a_burst_of_memories_leaves_the_embedder_to_others_for_most_of_the_time(database: Database) -> None:
    embedding = Embedding()
    job = MemoryJob(database, embedding)
    for number in range(5):
        job.embed_later(MemoryKey(uuid4(), uuid4(), uuid4()), f"memory {number}")
    async with asyncio.timeout(10):
        while len(embedding.answered) < 3:
            await asyncio.sleep(0.01)
    assert embedding.portions == [["memory 0", "memory 1"], ["memory 2", "memory 3"], ["memory 4"]]
    assert min(embedding.rests) >= memory_job.REST * EMBEDDING_SECONDS
    await job.settle()


async def test_a_host_that_leaves_does_not_rest(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_job, "REST", 1_000_000.0)
    embedding = Embedding()
    job = MemoryJob(database, embedding)
    for number in range(4):
        job.embed_later(MemoryKey(uuid4(), uuid4(), uuid4()), f"memory {number}")
    async with asyncio.timeout(30):
        await job.settle()
    assert sum(map(len, embedding.portions)) == 4

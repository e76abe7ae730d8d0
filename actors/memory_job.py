"""The memory job: texts of committed turns get their embeddings, in batches, after the reply is on its way."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from operator import itemgetter
from uuid import UUID

import structlog

from konstruct.database import memories
from konstruct.database.pool import Database
from konstruct.errors import DatabaseUnavailable, EmbedderUnavailable
from konstruct.group_commit import GroupCommit

BATCH = 32
# A question waits for the batch before its own; on a GPU the embedder itself gathers what hosts ask at once.
QUESTIONS = 8
LINGER_SECONDS = 0.25
# What was said is in the window for a while: memories wait until nobody asks anything, but not for ever.
IDLE_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 5.0
# And then take a third of the embedder's time: a burst of them would take a core for as long as it lasts.
PORTION = 2
REST = 2.0
EMBED_SECONDS = 2.0

# Whose text it is, and the text.
Question = tuple[UUID, str]
Vectors = Sequence[Sequence[float]]
Embed = Callable[[Sequence[Question]], Awaitable[Vectors]]
Job = tuple[memories.MemoryKey, str]

log = structlog.get_logger()


class MemoryJob:
    """Embeds for all conversations of a host, through the shared embedder."""

    def __init__(self, database: Database, embed: Embed) -> None:
        """`embed`: questions -> one vector each; whatever it raises means that the embedder is not available."""
        self._database = database
        self._embed = embed
        self._jobs: GroupCommit[Job, None] = GroupCommit(self._work, limit=BATCH, linger=LINGER_SECONDS)
        self._asked_at = 0.0
        self._leaving = False
        self._questions: GroupCommit[Question, Sequence[float]] = GroupCommit(
            self._ask, limit=QUESTIONS, share=itemgetter(0)
        )

    async def embed(self, tenant: UUID, text: str) -> Sequence[float]:
        """The embedding of one text, at once; tenants are served in turn. Raises EmbedderUnavailable."""
        self._asked_at = time.monotonic()
        return await self._questions.add((tenant, text))

    def embed_later(self, key: memories.MemoryKey, text: str) -> None:
        """Queue a memory; what is lost here, the sweep finds again."""
        self._jobs.add((key, text))

    async def sweep(self, host: int) -> int:
        """Do what a crash or an absent embedder left behind; answers how many memories that were."""
        left = await memories.waiting(self._database, host)
        if left:
            await asyncio.gather(*(self._jobs.add(job) for job in left))
        return len(left)

    async def settle(self) -> None:
        """Wait until everything queued is done; from now on nothing waits for an idle moment."""
        self._leaving = True
        await self._jobs.settle()

    async def _ask(self, questions: list[Question]) -> Vectors:
        return await self._vectors(questions, EMBED_SECONDS)

    async def _work(self, jobs: list[Job]) -> list[None]:
        await self._idle()
        try:
            vectors = await self._at_leisure([(key.tenant, text) for key, text in jobs])
            await memories.store(self._database, [key for key, _ in jobs], vectors)
        except (EmbedderUnavailable, DatabaseUnavailable) as error:
            log.warning("memories wait for the next sweep", memories=len(jobs), reason=str(error))
        return [None] * len(jobs)

    @property
    def _busy(self) -> bool:
        return not self._leaving and time.monotonic() - self._asked_at < IDLE_SECONDS

    async def _idle(self) -> None:
        begun = time.monotonic()
        while self._busy and time.monotonic() - begun < LONGEST_WAIT_SECONDS:  # noqa: ASYNC110
            await asyncio.sleep(IDLE_SECONDS / 4)

    async def _at_leisure(self, texts: list[Question]) -> Vectors:
        vectors: list[Sequence[float]] = []
        for start in range(0, len(texts), PORTION):
            begun = time.monotonic()
            portion = texts[start : start + PORTION]
            vectors += await self._vectors(portion, EMBED_SECONDS * len(portion))
            if not self._leaving:
                await asyncio.sleep(REST * (time.monotonic() - begun))
        return vectors

    async def _vectors(self, questions: Sequence[Question], seconds: float) -> Vectors:
        try:
            async with asyncio.timeout(seconds):
                return await self._embed(questions)
        except Exception as error:
            raise EmbedderUnavailable(f"The embedder did not answer: {error or type(error).__name__}.") from error

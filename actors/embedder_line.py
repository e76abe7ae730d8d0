"""The line to the embedder of the same machine: what is asked, and what will be asked in a moment."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from uuid import UUID

import orjson

from actors.memory_job import Question, Vectors
from actors.recollection import shortened
from konstruct.embedding import packed, rows
from konstruct.line import Line, listen

EMBEDDER = "embedder"
# A message that was foretold is asked about within milliseconds, once it is durable; or never.
FORETOLD_SECONDS = 1.0
MOST_FORETOLD = 64

EmbedTexts = Callable[[Sequence[str]], Awaitable[Vectors]]


class EmbedderLine:
    """The asker's end."""

    def __init__(self, home: Path) -> None:
        """Opens nothing yet. `home`: the installation's folder."""
        self._line = Line(home, EMBEDDER)

    async def embed(self, questions: Sequence[Question]) -> Vectors:
        """One vector per question; raises LineDown."""
        return rows(await self._line.ask(orjson.dumps({"asked": questions}, default=str)))

    def foretell(self, tenant: UUID, text: str) -> None:
        """A hint, never waited for: a message that a turn will ask about in a moment."""
        self._line.tell(orjson.dumps({"foretold": (tenant, shortened(text))}, default=str))


class EmbedderDesk:
    """The embedder's end: what was foretold has begun, or is done, when it is asked. Nothing is shared by tenants."""

    def __init__(self, embed: EmbedTexts) -> None:
        """`embed`: texts -> one vector each."""
        self._embed = embed
        self._foretold: dict[tuple[str, str], asyncio.Task[Vectors]] = {}

    async def listen(self, home: Path) -> asyncio.Server | None:
        """See konstruct.line."""
        return await listen(home, EMBEDDER, self.receive)

    def receive(self, frame: bytes) -> Awaitable[bytes] | None:
        """What came over the line; the answer, where one is expected."""
        said = orjson.loads(frame)
        if "asked" in said:
            return self._answer([(tenant, text) for tenant, text in said["asked"]])
        tenant, text = said["foretold"]
        self._begin((tenant, text))
        return None

    async def _answer(self, questions: list[tuple[str, str]]) -> bytes:
        begun = self._foretold.pop(questions[0], None) if len(questions) == 1 else None
        return packed(await (begun or self._embed([text for _, text in questions])))

    def _begin(self, question: tuple[str, str]) -> None:
        if len(self._foretold) < MOST_FORETOLD and question not in self._foretold:
            self._foretold[question] = asyncio.ensure_future(self._embed([question[1]]))
            asyncio.get_running_loop().call_later(FORETOLD_SECONDS, self._foretold.pop, question, None)

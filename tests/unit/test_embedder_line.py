"""The line to the embedder: what is foretold has begun when it is asked, for its tenant only, and only for a moment."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from actors import embedder_line
from actors.embedder_line import MOST_FORETOLD, EmbedderDesk, EmbedderLine
from konstruct.embedding import DIMENSIONS


class DatabaseUuid(UUID):
    """As asyncpg's own."""


ACME, GLOBEX = DatabaseUuid(int=1), UUID(int=2)


class Texts:
    """Embeds by length, and keeps what it was given."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.seen += texts
        return [[float(len(text))] * DIMENSIONS for text in texts]


@pytest.fixture
def texts() -> Texts:
    return Texts()


@pytest.fixture
async def line(tmp_path: Path, texts: Texts) -> AsyncIterator[EmbedderLine]:
    server = await EmbedderDesk(texts.embed).listen(tmp_path)
    assert server is not None
    line = EmbedderLine(tmp_path)
    assert await line.embed([(ACME, "open")]) == [[4.0] * DIMENSIONS]
    texts.seen.clear()
    yield line
    server.close()


async def seen(texts: Texts, count: int) -> list[str]:
    async with asyncio.timeout(5):
        while len(texts.seen) < count:
            await asyncio.sleep(0.001)
    return texts.seen


async def test_what_was_foretold_is_embedded_once(line: EmbedderLine, texts: Texts) -> None:
    line.foretell(ACME, "hello")
    assert await seen(texts, 1) == ["hello"]
    assert await line.embed([(ACME, "hello")]) == [[5.0] * DIMENSIONS]
    assert texts.seen == ["hello"]
    await line.embed([(ACME, "hello")])
    assert texts.seen == ["hello", "hello"]


async def test_nothing_is_shared_by_tenants(line: EmbedderLine, texts: Texts) -> None:
    line.foretell(ACME, "hello")
    assert await line.embed([(GLOBEX, "hello")]) == [[5.0] * DIMENSIONS]
    assert texts.seen == ["hello", "hello"]


async def test_a_batch_is_embedded_as_it_is_asked(line: EmbedderLine, texts: Texts) -> None:
    assert [row[0] for row in await line.embed([(ACME, "a"), (GLOBEX, "bc")])] == [1.0, 2.0]
    assert texts.seen == ["a", "bc"]


async def test_what_nobody_asks_for_is_forgotten(
    line: EmbedderLine, texts: Texts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedder_line, "FORETOLD_SECONDS", 0.0)
    line.foretell(ACME, "hello")
    await seen(texts, 1)
    await asyncio.sleep(0.01)
    await line.embed([(ACME, "hello")])
    assert texts.seen == ["hello", "hello"]


async def test_a_flood_of_foretellings_is_bounded(line: EmbedderLine, texts: Texts) -> None:
    for number in range(3 * MOST_FORETOLD):
        line.foretell(ACME, str(number))
    await line.embed([(ACME, "last"), (ACME, "one")])
    assert len(texts.seen) == MOST_FORETOLD + 2


async def test_a_long_message_is_foretold_as_it_will_be_asked(line: EmbedderLine, texts: Texts) -> None:
    line.foretell(ACME, "x" * 5000)
    [text] = await seen(texts, 1)
    assert len(text) < 400

"""Processes of one machine speak over a Unix socket; whoever finds nobody there takes the other way."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from konstruct.line import LINES, Line, LineDown, listen


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="k") as folder:
        yield Path(folder)


async def doubled(question: bytes) -> bytes:
    """The slower, the longer the question."""
    await asyncio.sleep(len(question) / 1_000_000)
    return 2 * question


async def eventually(tell: Line, body: bytes) -> None:
    async with asyncio.timeout(5):
        while not tell.tell(body):
            await asyncio.sleep(0.01)


async def test_every_question_gets_its_own_answer_however_large_and_in_whatever_order(home: Path) -> None:
    server = await listen(home, "embedder", doubled)
    assert server is not None
    line = Line(home, "embedder")
    questions = [bytes([n]) * size for n, size in enumerate([300_000, 1, 0, 5_000, 70_000])]
    assert await asyncio.gather(*map(line.ask, questions)) == [2 * question for question in questions]
    server.close()


async def test_what_is_told_arrives_whole_and_in_order(home: Path) -> None:
    heard: list[bytes] = []
    server = await listen(home, "conversations-0", heard.append)
    assert server is not None
    line = Line(home, "conversations-0")
    assert not line.tell(b"too early: the line is only being opened")
    await eventually(line, b"first")
    said = [b"x" * n for n in (0, 1, 100_000, 7)]
    assert all(map(line.tell, said))
    async with asyncio.timeout(5):
        while len(heard) < 5:
            await asyncio.sleep(0.01)
    assert heard == [b"first", *said]
    server.close()


async def test_where_nobody_listens_the_caller_learns_it_at_once(home: Path) -> None:
    line = Line(home, "embedder")
    with pytest.raises(LineDown):
        await line.ask(b"?")
    assert not line.tell(b"!")


async def test_a_question_whose_answer_fails_or_whose_listener_dies_is_not_waited_for(home: Path) -> None:
    async def fails(_question: bytes) -> bytes:
        raise ValueError("no model")

    server = await listen(home, "embedder", fails)
    assert server is not None
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    with pytest.raises(LineDown):
        await Line(home, "embedder").ask(b"?")
    server.close()


async def test_a_successor_takes_the_line_over(home: Path) -> None:
    first: list[bytes] = []
    second: list[bytes] = []
    server = await listen(home, "conversations-0", first.append)
    line = Line(home, "conversations-0")
    await eventually(line, b"1")
    successor = await listen(home, "conversations-0", second.append)
    assert server is not None
    assert successor is not None
    server.close()
    line._caller._abort()  # type: ignore[union-attr] - what the end of the first one's process does
    await eventually(line, b"2")
    async with asyncio.timeout(5):
        while not second:
            await asyncio.sleep(0.01)
    assert (first, second) == ([b"1"], [b"2"])
    successor.close()


async def test_only_the_installations_own_user_may_open_the_folder_of_lines(home: Path) -> None:
    server = await listen(home, "embedder", doubled)
    assert server is not None
    assert (home / LINES).stat().st_mode & 0o077 == 0
    server.close()


async def test_a_folder_with_too_long_a_path_has_no_lines(home: Path) -> None:
    assert await listen(home / ("x" * 100), "embedder", doubled) is None
    with pytest.raises(LineDown):
        await Line(home / ("x" * 100), "embedder").ask(b"?")

"""A load generator that costs little beside what it measures: ready-made requests over raw connections."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_LENGTH = b"content-length:"


@dataclass
class Outcome:
    """`latencies`: seconds, one per answer with status 200; `refused`: answers with any other status."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def rate(self) -> float:
        """Answers with status 200 per second."""
        return len(self.latencies) / self.seconds


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        """Connected by `create_connection`."""
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    async def ask(self, request: bytes) -> int:
        """The status of the answer, once its body is whole."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) >= end + 4 + length and self._answer is not None:
            self._buffer = b""
            answer, self._answer = self._answer, None
            answer.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("The server closed the connection."))


@asynccontextmanager
async def connections(url: str, count: int) -> AsyncIterator[list[Connection]]:
    """Open connections to the server of `url`."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    opened = [(await loop.create_connection(Connection, *address))[1] for _ in range(count)]
    try:
        yield opened
    finally:
        for connection in opened:
            connection.transport.close()


async def closed_loop(url: str, requests: Iterator[bytes], count: int, seconds: float) -> Outcome:
    """As many requests as `count` connections can get answered, one after the other, in `seconds`."""
    outcome = Outcome()
    begun = time.perf_counter()

    async def ask_on(connection: Connection) -> None:
        for request in requests:
            asked = time.perf_counter()
            if asked - begun > seconds:
                return
            _note(outcome, await connection.ask(request), time.perf_counter() - asked)

    async with connections(url, count) as opened:
        begun = time.perf_counter()
        with _uncollected():
            await asyncio.gather(*(ask_on(connection) for connection in opened))
        outcome.seconds = time.perf_counter() - begun
    return outcome


async def open_loop(url: str, requests: Iterable[bytes], rate: float, count: int = 64) -> Outcome:
    """`rate` requests a second, whatever the answers take; latency counts from when each was due."""
    outcome = Outcome()
    due: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()

    async def ask_on(connection: Connection) -> None:
        while (item := await due.get()) is not None:
            when, request = item
            _note(outcome, await connection.ask(request), time.perf_counter() - when)

    async with connections(url, count) as opened:
        tasks = [asyncio.create_task(ask_on(connection)) for connection in opened]
        with _uncollected():
            begun = time.perf_counter()
            for number, request in enumerate(requests):
                when = begun + number / rate
                if (pause := when - time.perf_counter()) > 0:
                    await asyncio.sleep(pause)
                due.put_nowait((when, request))
            for _ in tasks:
                due.put_nowait(None)
            await asyncio.gather(*tasks)
        outcome.seconds = time.perf_counter() - begun
    return outcome


@contextmanager
def _uncollected() -> Iterator[None]:
    """Some seconds without garbage collection: its pauses would count as the server's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _note(outcome: Outcome, status: int, seconds: float) -> None:
    if status == 200:
        outcome.latencies.append(seconds)
    else:
        outcome.refused += 1

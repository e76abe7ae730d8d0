"""A load generator that costs little beside what it measures: ready-made requests over raw connections."""

import asyncio
import gc
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# uvloop knows no shorter pause: it would ask again and again.
TICK_SECONDS = 0.001
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
    """One request at a time; its answer is told by a call, for a task per request costs more than to send it."""

    def __init__(self, load: "_Load") -> None:
        """Connected by `create_connection`."""
        self._load = load
        self._buffer = b""
        self._since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def ask(self, request: bytes, since: float) -> None:
        """`since`: from when its answer's latency counts, `time.perf_counter()`."""
        self._since = since
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) >= end + 4 + length and self._since is not None:
            self._buffer = b""
            since, self._since = self._since, None
            self._load.answered(self, int(head[9:12]), since)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._since is not None:
            self._load.fail(exc or ConnectionResetError("The server closed the connection."))


class _Load:
    """Requests on their way over `count` connections to the server of `url`."""

    def __init__(self, url: str, count: int) -> None:
        self.outcome = Outcome()
        self._url = url
        self._count = count
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def put(self) -> Outcome:
        """All of it; raises OSError where the server hangs up."""
        parts, loop = urlsplit(self._url), asyncio.get_running_loop()
        address = (parts.hostname or "127.0.0.1", parts.port or 80)
        opened = [(await loop.create_connection(lambda: Connection(self), *address))[1] for _ in range(self._count)]
        try:
            with _uncollected():
                begun = time.perf_counter()
                self.begin(opened, begun)
                await self._over
                self.outcome.seconds = time.perf_counter() - begun
        finally:
            for connection in opened:
                connection.transport.close()
        return self.outcome

    def begin(self, opened: list[Connection], now: float) -> None:
        """Ask for the first time."""
        raise NotImplementedError

    def answered(self, connection: Connection, status: int, since: float) -> None:
        """An answer is whole, and its connection free."""
        if status == 200:
            self.outcome.latencies.append(time.perf_counter() - since)
        else:
            self.outcome.refused += 1

    def end(self) -> None:
        """Nothing is on its way any more."""
        if not self._over.done():
            self._over.set_result(None)

    def fail(self, error: Exception) -> None:
        """The server hung up on a request."""
        if not self._over.done():
            self._over.set_exception(error)


class _ClosedLoop(_Load):
    def __init__(self, url: str, requests: Iterator[bytes], count: int, seconds: float) -> None:
        super().__init__(url, count)
        self._requests = requests
        self._seconds = seconds
        self._asking = count

    def begin(self, opened: list[Connection], now: float) -> None:
        self._until = now + self._seconds
        for connection in opened:
            self._ask(connection)

    def answered(self, connection: Connection, status: int, since: float) -> None:
        super().answered(connection, status, since)
        self._ask(connection)

    def _ask(self, connection: Connection) -> None:
        now = time.perf_counter()
        request = next(self._requests, None) if now <= self._until else None
        if request is not None:
            connection.ask(request, now)
            return
        self._asking -= 1
        if not self._asking:
            self.end()


class _OpenLoop(_Load):
    def __init__(self, url: str, requests: Iterator[bytes], rate: float, count: int) -> None:
        super().__init__(url, count)
        self._next = next(requests, None)
        self._requests = requests
        self._rate = rate
        self._due: deque[tuple[bytes, float]] = deque()
        self._sent = 0

    def begin(self, opened: list[Connection], now: float) -> None:
        self._begun = now
        self._free = opened.copy()
        self._send()

    def answered(self, connection: Connection, status: int, since: float) -> None:
        super().answered(connection, status, since)
        if self._due:
            connection.ask(*self._due.popleft())
        else:
            self._free.append(connection)
            if self._next is None and len(self._free) == self._count:
                self.end()

    def _send(self) -> None:
        """What is due by now, and then when the next one is; what finds no connection free waits for one."""
        now = time.perf_counter()
        while self._next is not None and (when := self._begun + self._sent / self._rate) <= now:
            self._due.append((self._next, when))
            self._next = next(self._requests, None)
            self._sent += 1
        while self._due and self._free:
            self._free.pop().ask(*self._due.popleft())
        if self._next is not None:
            pause = max(TICK_SECONDS, self._begun + self._sent / self._rate - now)
            asyncio.get_running_loop().call_later(pause, self._send)
        elif len(self._free) == self._count:
            self.end()


async def closed_loop(url: str, requests: Iterator[bytes], count: int, seconds: float) -> Outcome:
    """As many requests as `count` connections can get answered, one after the other, in `seconds`."""
    return await _ClosedLoop(url, requests, count, seconds).put()


async def open_loop(url: str, requests: Iterator[bytes], rate: float, count: int = 64) -> Outcome:
    """`rate` requests a second, whatever the answers take; latency counts from when each was due."""
    return await _OpenLoop(url, requests, rate, count).put()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Some seconds without garbage collection: its pauses would count as the server's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

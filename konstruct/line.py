"""A direct line between two processes of one machine: frames over a Unix socket, where Ray would take milliseconds.

Whoever may open the installation's folder may speak: no port, no token. On another machine there is no line, and
nothing depends on one.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from struct import Struct
from typing import cast

LINES = "lines"
# What a Unix socket's path may be long, with its end mark.
LONGEST_PATH_BYTES = 107
MAX_FRAME_BYTES = 64 * 1024 * 1024
# A listener that reads nothing is stopped or dead: what was told it is lost, and it is told no more.
MAX_UNREAD_BYTES = 4 * 1024 * 1024
AGAIN_SECONDS = 1.0
MAX_NUMBER = 2**32 - 1

_HEAD = Struct("!II")  # bytes of the body, number of the question (0: nobody waits for an answer)

# The body that came -> the answer; None where none is expected.
Receive = Callable[[bytes], Awaitable[bytes] | None]


class LineDown(Exception):  # never leaves whoever asked: Ray is asked instead
    """Nobody listens at the other end, or the answer never came: take the other way."""


async def listen(home: Path, name: str, receive: Receive) -> asyncio.Server | None:
    """Listen as `name` instead of whoever did before; None where the folder's path is too long for a socket."""
    path = home / LINES / name
    if len(os.fsencode(path)) > LONGEST_PATH_BYTES:
        return None
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return await asyncio.get_running_loop().create_unix_server(lambda: _Listener(receive), str(path))


class Line:
    """The caller's end. Connects when it is used, and again when the other end was replaced."""

    def __init__(self, home: Path, name: str) -> None:
        """Opens nothing yet."""
        self._path = home / LINES / name
        self._caller: _Caller | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._numbers = count()

    def tell(self, body: bytes) -> bool:
        """Send, and never wait; False where the line is not open (now it is being opened)."""
        caller = self._open()
        return caller is not None and caller.send(body, 0)

    async def ask(self, body: bytes) -> bytes:
        """The answer; raises LineDown."""
        caller = self._open()
        if caller is None and self._connecting is not None:
            await asyncio.shield(self._connecting)
            caller = self._open()
        if caller is None:
            raise LineDown(f"Nobody listens at {self._path}.")
        number = next(self._numbers) % MAX_NUMBER + 1
        answer = caller.expect(number)
        caller.send(body, number)
        try:
            return await answer
        finally:
            caller.forget(number)

    def _open(self) -> "_Caller | None":
        if self._caller is not None and not self._caller.closed:
            return self._caller
        self._caller = None
        loop = asyncio.get_running_loop()
        if self._connecting is None and loop.time() >= self._not_before:
            self._not_before = loop.time() + AGAIN_SECONDS
            self._connecting = loop.create_task(self._connect())
        return None

    async def _connect(self) -> None:
        try:
            with contextlib.suppress(OSError):
                _, self._caller = await asyncio.get_running_loop().create_unix_connection(_Caller, str(self._path))
        finally:
            self._connecting = None


class _Frames(asyncio.Protocol):
    """Bytes in, frames out."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self.closed = True

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            size, number = _HEAD.unpack_from(self._buffer)
            if size > MAX_FRAME_BYTES:
                self._abort()
                return
            end = _HEAD.size + size
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_HEAD.size : end])
            del self._buffer[:end]
            self.received(body, number)

    def send(self, body: bytes, number: int) -> bool:
        """False where nobody reads any more."""
        if self.closed or self._transport is None:
            return False
        if self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self._abort()
            return False
        self._transport.write(_HEAD.pack(len(body), number) + body)
        return True

    def received(self, body: bytes, number: int) -> None:
        """A whole frame."""
        raise NotImplementedError

    def _abort(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()


class _Listener(_Frames):
    def __init__(self, receive: Receive) -> None:
        super().__init__()
        self._receive = receive
        self._answering: set[asyncio.Task[None]] = set()

    def received(self, body: bytes, number: int) -> None:
        answer = self._receive(body)
        if answer is not None and number:
            task = asyncio.get_running_loop().create_task(self._answer(answer, number))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self, answer: Awaitable[bytes], number: int) -> None:
        try:
            self.send(await answer, number)
        except Exception:
            # The caller sees the line end, and takes the other way; why it failed is said there, too.
            self._abort()
            raise


class _Caller(_Frames):
    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[int, asyncio.Future[bytes]] = {}

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(LineDown("The line broke before the answer came."))

    def expect(self, number: int) -> asyncio.Future[bytes]:
        """What `number` will be answered."""
        self._answers[number] = asyncio.get_running_loop().create_future()
        return self._answers[number]

    def forget(self, number: int) -> None:
        """Nobody waits for it any more."""
        self._answers.pop(number, None)

    def received(self, body: bytes, number: int) -> None:
        answer = self._answers.get(number)
        if answer is not None and not answer.done():
            answer.set_result(body)

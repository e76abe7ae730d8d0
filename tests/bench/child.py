"""A process of the benchmark's own: started, awaited until it says that it is ready, ended by its pid."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

CHECKOUT = Path(__file__).resolve().parents[2]
READY = "ready"
READY_SECONDS = 60


class Child:
    """A running child; its lines after "ready" are its results."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Made by `child`."""
        self._process = process
        self.pid = process.pid

    async def line(self, seconds: float = 600) -> str:
        """The next line that it prints; raises EOFError when it has ended."""
        assert self._process.stdout is not None
        raw = await asyncio.wait_for(self._process.stdout.readline(), seconds)
        if not raw:
            raise EOFError(f"The benchmark's process {self.pid} ended with status {await self._process.wait()}.")
        return raw.decode().strip()

    async def result(self) -> dict[str, Any]:
        """Its next line that is a JSON object; libraries may print others. Raises EOFError with what it did say."""
        said: list[str] = []
        while True:
            try:
                line = await self.line()
            except EOFError as ended:
                raise EOFError(f"{ended} It said: {' / '.join(said[-5:]) or 'nothing'}") from None
            if line.startswith("{"):
                return dict(json.loads(line))
            said.append(line)

    def tell(self, words: str) -> None:
        """Give it a line to read."""
        assert self._process.stdin is not None
        self._process.stdin.write(words.encode() + b"\n")

    def process(self) -> psutil.Process:
        """For its CPU time and memory."""
        return psutil.Process(self.pid)

    async def end(self) -> None:
        """Stop it and wait."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def end_well() -> None:
    """On SIGTERM, as `Child.end` sends it, the calling task is cancelled, and so ends whatever it has started."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)  # type: ignore[union-attr]


@asynccontextmanager
async def child(module: str, *arguments: object, environment: Mapping[str, str] | None = None) -> AsyncIterator[Child]:
    """Run `python -m tests.bench.<module>` for the length of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments),
        stdin=PIPE, stdout=PIPE, cwd=CHECKOUT, env=environment, limit=1 << 24,
    )  # fmt: skip
    running = Child(process)
    try:
        while await running.line(READY_SECONDS) != READY:
            pass
        yield running
    finally:
        await running.end()

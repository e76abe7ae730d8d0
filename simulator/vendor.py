"""What every simulated vendor has: a server on one port, a clock, a timeline, faults and a courier."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Self

from aiohttp import web

from simulator.clock import Clock
from simulator.delivery import Courier, Delivery
from simulator.faults import Fault, Faults
from simulator.timeline import Entry, Timeline

STOP_SECONDS = 1.0


class Vendor(ABC):
    """One vendor's server; `async with` starts and stops it."""

    MAX_BODY_BYTES = 1 << 20
    SEND_METHOD: str

    def __init__(self, courier: Courier, host: str, port: int, faults: Sequence[Fault], seed: int) -> None:
        """Port 0 picks a free one."""
        self.clock = Clock()
        self.timeline = Timeline()
        self.faults = Faults(faults, seed, self.SEND_METHOD)
        self.courier = courier
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    @abstractmethod
    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Register all that the vendor answers."""

    @abstractmethod
    def open(self) -> None:
        """Prepare to answer (again)."""

    @abstractmethod
    def close(self) -> None:
        """End what would keep the server from stopping."""

    async def start(self) -> None:
        """Listen (again: on the same port). Raises OSError where it is taken."""
        self.open()
        server = web.Application(client_max_size=self.MAX_BODY_BYTES)
        self.add_routes(server.router)
        self._runner = web.AppRunner(server, access_log=None, handler_cancellation=True, shutdown_timeout=STOP_SECONDS)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, backlog=1024).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End hangs and retries, close all connections and the port."""
        self.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self.courier.stop()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    @property
    def address(self) -> str:
        """Scheme, host and port."""
        return f"http://{self._host}:{self._port}"

    @property
    def log(self) -> list[Entry]:
        """Everything that was visible so far, in order, with all edits."""
        return self.timeline.entries

    @property
    def deliveries(self) -> list[Delivery]:
        """Every event sent to the webhook, with its attempts, in order."""
        return self.courier.deliveries

    def follow(self, since: int | None = None) -> AsyncIterator[Entry]:
        """Yield visible changes from `seq` on, or from now on, as they come."""
        return self.timeline.follow(since)

    async def expect(self, wanted: Callable[[Entry], bool], *, since: int = 0, seconds: float = 10.0) -> Entry:
        """Return the first entry from `since` on that is wanted, or raise TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds):
            async for entry in self.follow(since):
                if wanted(entry):
                    return entry
        raise AssertionError("the timeline never ends")

    def reset(self) -> None:
        """Forget log, deliveries, faults and how far the clock is ahead; the server stays up."""
        self.timeline.clear()
        self.courier.deliveries.clear()
        self.faults.rules.clear()
        self.clock.ahead_seconds = 0.0

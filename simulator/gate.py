"""The door of a platform's API: faults strike here, calls are counted here, hangs end here."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import web

from simulator.faults import Fault, Faults

Perform = Callable[[], Awaitable[web.StreamResponse] | web.StreamResponse]


class Gate:
    """Lets calls through to a platform; `calls` counts by method and outcome: "ok", "429", an error's name."""

    def __init__(self, faults: Faults, fail: Callable[[str, Fault], web.Response]) -> None:
        """`fail` is how the platform says that a call is refused, limited or broken."""
        self.calls: Counter[tuple[str, str]] = Counter()
        self._faults = faults
        self._fail = fail
        self._closing = asyncio.Event()

    async def admit(self, request: web.Request, method: str, place: str, perform: Perform) -> web.StreamResponse:
        """Perform the call; a fault in force may answer in its place, or take the answer away."""
        for fault in self._faults.strike(method, place):
            if fault.kind == "latency":
                await asyncio.sleep(fault.delay_seconds)
            elif fault.kind in ("hang_after_delivery", "close_after_delivery"):
                await _answer(perform)
                return await self._vanish(request, method, fault)
            elif fault.kind in ("hang_before_delivery", "close_before_delivery"):
                return await self._vanish(request, method, fault)
            else:
                return self._fail(method, fault)
        return await _answer(perform)

    def open(self) -> None:
        """Let hangs hang."""
        self._closing.clear()

    def close(self) -> None:
        """End every hang, so that the server can stop."""
        self._closing.set()

    async def _vanish(self, request: web.Request, method: str, fault: Fault) -> web.Response:
        """Close the connection without an answer, after a while if the fault is a hang."""
        self.calls[method, fault.kind] += 1
        if fault.kind.startswith("hang"):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), fault.delay_seconds)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)


async def _answer(perform: Perform) -> web.StreamResponse:
    answer = perform()
    return answer if isinstance(answer, web.StreamResponse) else await answer

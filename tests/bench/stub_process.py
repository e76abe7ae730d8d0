"""The model of the benchmark, in a process of its own: answers at once, after about a second, or word by word."""

import asyncio
import logging
import random
import statistics
import sys
import time
from collections import deque

import uvloop
from aiohttp import web

from tests.bench.child import READY
from tests.stub_model import Fault, StubModel

SLOW_SECONDS = 1.0
DRIP_SECONDS = 0.4


class PacedModel(StubModel):
    """The model's name says its pace; remembers how long it needed for each answer."""

    def __init__(self, port: int) -> None:
        """`port`: where to listen on loopback."""
        super().__init__(port)
        self._seconds: deque[float] = deque(maxlen=2000)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        begun = time.perf_counter()
        model = (await request.json())["model"]
        if model == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if model == "varied":
            await asyncio.sleep(SLOW_SECONDS * random.uniform(0.5, 1.5))
        if model == "drip":
            self._faults.append(Fault("", DRIP_SECONDS))
        answer = await super()._chat(request)
        self._seconds.append(time.perf_counter() - begun)
        return answer

    async def _report(self, _: web.Request) -> web.Response:
        """Calls so far, and the median of the seconds since the last report."""
        median = statistics.median(self._seconds) if self._seconds else 0.0
        self._seconds.clear()
        return web.json_response({"calls": self.calls, "seconds": median})


async def main(port: int) -> None:
    """Serve until ended."""
    # A host that is killed in the middle of an answer is not worth a traceback.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    async with PacedModel(port):
        print(READY, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))

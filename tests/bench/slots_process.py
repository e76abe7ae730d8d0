"""The same turns with the fair queue and with slots for whoever comes first, in turns, in one process without Ray.

python -m tests.bench.slots_process ROUNDS SECONDS
"""

import asyncio
import json
import logging
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import structlog
import uvloop

from actors.office import TURNS_OF_A_TENANT, turn_queue
from actors.wiring import build_host
from konstruct.fair_queue import FairQueue, Pace
from konstruct.metrics import Unmeasured
from tests import postgres
from tests.bench.child import READY, end_well
from tests.bench.people import listening
from tests.rig import APP, pretend_embedding, rig

CONVERSATIONS = 50


class EitherQueue(FairQueue):
    """The fair queue, or what it replaced: a semaphore."""

    def __init__(self) -> None:
        """Fair at first."""
        self.fair = turn_queue()
        self.semaphore = asyncio.Semaphore(TURNS_OF_A_TENANT)
        self.is_fair = True
        self.parts = 1

    @property
    def waiting(self) -> int:
        """Of the fair one."""
        return self.fair.waiting

    @asynccontextmanager
    async def slot(self, tenant: UUID) -> AsyncIterator[bool]:
        """A slot of the one that is measured."""
        if self.is_fair:
            async with self.fair.slot(tenant) as crowded:
                yield crowded
        else:
            async with self.semaphore:
                yield False

    def set_pace(self, tenant: UUID, pace: Pace) -> None:
        """Nobody has a limit here."""

    def felt(self, seconds: float) -> None:
        """Only the fair one wants to know."""
        if self.is_fair:
            self.fair.felt(seconds)


async def main(rounds: int, seconds: float) -> None:
    """Turns per second, and CPU seconds per turn, of either, round after round."""
    end_well()
    queue = EitherQueue()
    measured: dict[str, list[float]] = {"fair": [], "first": [], "fair_cpu": [], "first_cpu": []}
    with postgres.server() as server, server.database() as url, tempfile.TemporaryDirectory() as home:
        async with rig(url, Path(home)) as k, listening(k.slack) as people:
            await k.stop_host(k.hosts[0])
            parts = await build_host(k.settings, 0, pretend_embedding, Unmeasured(), queue)
            await parts.host.start(1)
            k.hosts.append(parts)
            print(READY, flush=True)
            await people.converse(APP, CONVERSATIONS, seconds, "W")
            for number in range(2 * rounds):
                queue.is_fair = number % 4 in (0, 3)
                name = "fair" if queue.is_fair else "first"
                # Another tenant was at work a moment ago: the room is measured and kept.
                async with queue.fair.slot(uuid4()):
                    pass
                used = time.process_time()
                talk = await people.converse(APP, CONVERSATIONS, seconds, "W")
                measured[name].append(talk.rate)
                measured[f"{name}_cpu"].append((time.process_time() - used) / len(talk.latencies))
    print(json.dumps(measured), flush=True)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2])))

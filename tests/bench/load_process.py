"""A load generator in a process of its own that goes first: what it waits for a processor would count as the server's.

One `Load` a line on standard input, its `Outcome` a line on standard output, both as JSON.
"""

import asyncio
import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from tests.bench import place
from tests.bench.child import READY, Child
from tests.bench.http_load import Outcome, closed_loop, open_loop
from tests.bench.signed_events import requests

CONNECTIONS = 16
# More than anything on one core can answer.
MOST_A_SECOND = 8000
NICENESS = -10


@dataclass(frozen=True)
class Load:
    """Signed messages to `url` in `channels` conversations of `team`, called `channel`0 and so on, for `seconds`.

    `rate`: so many a second, at fixed times; None: as many as CONNECTIONS get answered, one after the other.
    """

    url: str
    team: str
    channels: int
    seconds: float
    rate: float | None = None
    channel: str = "D0LOAD"

    def begin(self, process: Child) -> None:
        """Have a load process put it on."""
        process.tell(json.dumps(asdict(self)))

    async def put(self, process: Child) -> Outcome:
        """The same, and wait for what comes of it."""
        self.begin(process)
        return await outcome_of(process)


async def outcome_of(process: Child) -> Outcome:
    """What came of the load that a process has begun."""
    return Outcome(**await process.result())


async def main() -> None:
    """Put on whatever load is asked for."""
    _go_first()
    print(READY, flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(asdict(await _put(Load(**json.loads(line))))), flush=True)


async def _put(load: Load) -> Outcome:
    app = next(app for app in place.APPS if app.team == load.team)
    most = MOST_A_SECOND if load.rate is None else load.rate
    ready = requests(app, load.url, [f"{load.channel}{n}" for n in range(load.channels)], int(most * load.seconds))
    if load.rate is None:
        return await closed_loop(load.url, ready, CONNECTIONS, load.seconds)
    return await open_loop(load.url, ready, load.rate)


def _go_first() -> None:
    """Before what is measured, and in a session of its own, where Linux shares processors by session."""
    with suppress(OSError):  # not root: it waits with all others, and whoever asks for its niceness sees that
        os.setsid()
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        Path("/proc/self/autogroup").write_text(str(NICENESS))


if __name__ == "__main__":
    uvloop.run(main())

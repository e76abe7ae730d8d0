"""A flood from a process of its own, so that it costs those who measure nothing.

python -m tests.bench.flood_process TEAM CHANNELS; then one line "RATE SECONDS" on standard input per flood.
"""

import asyncio
import json
import sys
from collections.abc import Iterator

import uvloop

from simulator import App
from simulator.slack.event import signed
from tests.bench import place
from tests.bench.child import READY
from tests.bench.http_load import open_loop
from tests.bench.people import question
from tests.bench.percentile import percentile
from tests.bench.signed_events import event_body, http_request


async def main(team: str, channels: int) -> None:
    """Flood whenever told, then say what came of it."""
    app = next(app for app in place.APPS if app.team == team)
    print(READY, flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        rate, seconds = map(float, line.split())
        outcome = await open_loop(place.WEBHOOK, _requests(app, channels, int(rate * seconds)), rate)
        ack = percentile(outcome.latencies, 0.99) if outcome.latencies else float("nan")
        said = {"acknowledged": len(outcome.latencies), "refused": outcome.refused, "ack_p99": ack}
        print(json.dumps(said), flush=True)


def _requests(app: App, channels: int, count: int) -> Iterator[bytes]:
    for number in range(count):
        body = event_body(app, f"D0FLOOD{number % channels}", question(number))
        yield http_request(place.WEBHOOK, body, signed(app, body))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))

"""Durable acknowledgements against a bare echo; a real model takes a second, so the stub does here, too."""

import asyncio

from simulator import App
from tests.bench import place
from tests.bench.asked import Asked
from tests.bench.child import Child, child
from tests.bench.disk import watched
from tests.bench.figure import Figure, at_most, ratio_at_least
from tests.bench.http_load import Outcome
from tests.bench.inbox import Inbox
from tests.bench.installed import Installed
from tests.bench.load_process import Load
from tests.bench.percentile import median, percentile
from tests.bench.slack import slack_for

CONVERSATIONS = 16
SHARE = 0.8
# Every ten seconds Ray's agent goes through the latencies of all requests since: nobody pays for the load before its
# own. The tail is as long as two of its rounds, which therefore are in it.
AFTERMATH_SECONDS = 11.0
TAIL_SECONDS = 20.0


async def measure(asked: Asked, installed: Installed, inbox: Inbox) -> list[Figure]:
    """Echo and webhook in turns, then the webhook at a fixed rate."""
    echoed, acknowledged, at_once, tails, pauses = [], [], [], [], []
    installed.serve_echo(on=True)
    async with slack_for(place.WEBHOOK, place.SLACK_PORT), child("load_process") as process:
        loads = _Loads(process, inbox, asked.scaled(AFTERMATH_SECONDS, 0))
        await loads.put(place.WEBHOOK, place.SLOW, 1.0)
        for _ in range(asked.rounds):
            seconds = asked.scaled(5, 2)
            echoed.append((await loads.put(f"{installed.url}/echo/", place.SLOW, seconds)).rate)
            acknowledged.append(await loads.put(place.WEBHOOK, place.SLOW, seconds))
            at_once.append(await loads.put(place.WEBHOOK, place.QUICK, seconds))
            rate = SHARE * acknowledged[-1].rate
            with watched(asked.home) as writes:
                tails.append(await loads.load(place.WEBHOOK, place.SLOW, asked.scaled(TAIL_SECONDS, 2), rate))
            pauses.append(max(writes))
            await loads.rest()
        niceness = process.process().nice()
    installed.serve_echo(on=False)
    refused = sum(outcome.refused for outcome in [*acknowledged, *at_once, *tails])
    return [
        Figure("durable ack, 16 connections", median(o.rate for o in acknowledged), "requests/s",
               "bare echo on Ray Serve, same flags", median(echoed), ratio_at_least(0.6),
               f"the load generator has niceness {niceness}"),
        Figure("ack p99 at 80 % of that rate", 1000 * median(percentile(o.latencies, 0.99) for o in tails), "ms",
               goal=at_most(100)),
        Figure("ack p50 at 80 % of that rate", 1000 * median(percentile(o.latencies, 0.5) for o in tails), "ms"),
        Figure("longest write of a page to the same disk meanwhile", 1000 * median(pauses), "ms"),
        Figure("durable ack while the model answers at once", median(o.rate for o in at_once), "requests/s",
               "bare echo on Ray Serve, same flags", median(echoed), note="turns take the CPU meanwhile"),
        Figure("ack refused", refused, "requests", goal=at_most(0)),
    ]  # fmt: skip


class _Loads:
    """Load after load, each when nothing is left of the one before."""

    def __init__(self, process: Child, inbox: Inbox, aftermath: float) -> None:
        self._process = process
        self._inbox = inbox
        self._aftermath = aftermath

    async def put(self, url: str, app: App, seconds: float) -> Outcome:
        """What comes of as many requests as get answered; and then rest."""
        outcome = await self.load(url, app, seconds)
        await self.rest()
        return outcome

    async def load(self, url: str, app: App, seconds: float, rate: float | None = None) -> Outcome:
        """What comes of it; somebody must then rest."""
        return await Load(url, app.team, CONVERSATIONS, seconds, rate).put(self._process)

    async def rest(self) -> None:
        """Until all of the last load is done."""
        await self._inbox.settled()
        await asyncio.sleep(self._aftermath)

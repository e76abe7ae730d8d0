"""Durable acknowledgements against a bare echo; a real model takes a second, so the stub does here, too."""

from simulator import App
from tests.bench import place
from tests.bench.asked import Asked
from tests.bench.figure import Figure, at_most, ratio_at_least
from tests.bench.http_load import Outcome, closed_loop, open_loop
from tests.bench.inbox import Inbox
from tests.bench.installed import Installed
from tests.bench.percentile import median, percentile
from tests.bench.signed_events import requests
from tests.bench.slack import slack_for

CONNECTIONS = 16
SHARE = 0.8


async def measure(asked: Asked, installed: Installed, inbox: Inbox) -> list[Figure]:
    """Echo and webhook in turns, then the webhook at a fixed rate."""
    echoed, acknowledged, at_once, tails = [], [], [], []
    installed.serve_echo(on=True)
    async with slack_for(place.WEBHOOK, place.SLACK_PORT):
        await _acknowledge(place.SLOW, inbox, 1.0)
        for _ in range(asked.rounds):
            seconds = asked.scaled(5, 2)
            echo = f"{installed.url}/echo/"
            same = requests(place.SLOW, echo, CONNECTIONS, 8000 * int(seconds))
            echoed.append((await closed_loop(echo, same, CONNECTIONS, seconds)).rate)
            acknowledged.append(await _acknowledge(place.SLOW, inbox, seconds))
            at_once.append(await _acknowledge(place.QUICK, inbox, seconds))
            tails.append(await _tail(inbox, SHARE * acknowledged[-1].rate, seconds))
    installed.serve_echo(on=False)
    refused = sum(outcome.refused for outcome in [*acknowledged, *at_once, *tails])
    return [
        Figure("durable ack, 16 connections", median(o.rate for o in acknowledged), "requests/s",
               "bare echo on Ray Serve, same flags", median(echoed), ratio_at_least(0.6)),
        Figure("ack p99 at 80 % of that rate", 1000 * median(percentile(o.latencies, 0.99) for o in tails), "ms",
               goal=at_most(100)),
        Figure("ack p50 at 80 % of that rate", 1000 * median(percentile(o.latencies, 0.5) for o in tails), "ms"),
        Figure("durable ack while the model answers at once", median(o.rate for o in at_once), "requests/s",
               "bare echo on Ray Serve, same flags", median(echoed), note="turns take the CPU meanwhile"),
        Figure("ack refused", refused, "requests", goal=at_most(0)),
    ]  # fmt: skip


async def _acknowledge(app: App, inbox: Inbox, seconds: float) -> Outcome:
    ready = requests(app, place.WEBHOOK, CONNECTIONS, 5000 * int(seconds))
    outcome = await closed_loop(place.WEBHOOK, ready, CONNECTIONS, seconds)
    await inbox.settled()
    return outcome


async def _tail(inbox: Inbox, rate: float, seconds: float) -> Outcome:
    ready = requests(place.SLOW, place.WEBHOOK, CONNECTIONS, int(rate * seconds))
    outcome = await open_loop(place.WEBHOOK, ready, rate)
    await inbox.settled()
    return outcome

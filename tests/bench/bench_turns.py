"""Turns end to end against the bolt bot: the same simulator and load, the same model, one after the other."""

import asyncio
from dataclasses import dataclass, field

from simulator import App
from tests.bench import place
from tests.bench.asked import Asked
from tests.bench.child import Child, child
from tests.bench.consumption import Meter, meter
from tests.bench.figure import Figure, at_most, ratio_at_least
from tests.bench.inbox import STATISTICS_SECONDS, Inbox
from tests.bench.installed import Installed
from tests.bench.people import People, Talk, listening
from tests.bench.percentile import median, percentile
from tests.bench.slack import slack_for

CONVERSATIONS = 50


@dataclass
class Runs:
    """Rounds of one bot."""

    app: App
    talks: list[Talk] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Median turns/s."""
        return median(talk.rate for talk in self.talks)

    @property
    def milliseconds(self) -> float:
        """Median CPU milliseconds per turn."""
        return 1000 * median(self.cpu)

    def p99(self) -> float:
        """Median of the rounds' 99th percentiles, ms."""
        return 1000 * median(percentile(talk.latencies, 0.99) for talk in self.talks)


async def measure(asked: Asked, installed: Installed, inbox: Inbox) -> list[Figure]:
    """Local-model path, bolt bot, hosted path, round after round."""
    local, bolt, hosted = Runs(place.QUICK), Runs(place.QUICK), Runs(place.HOSTED)
    bolt_url = f"http://127.0.0.1:{place.BOLT_PORT}/slack/events"
    arguments = (place.BOLT_PORT, f"http://127.0.0.1:{place.BOLT_SLACK_PORT}/api/", place.MODEL_URL,
                 place.QUICK.bot_token, place.QUICK.signing_secret)  # fmt: skip
    async with (
        slack_for(place.WEBHOOK, place.SLACK_PORT) as slack,
        slack_for(bolt_url, place.BOLT_SLACK_PORT) as bolt_slack,
        child("bolt_bot", *arguments) as bot,
        listening(slack) as people,
        listening(bolt_slack) as bolt_people,
    ):
        # Windows are full afterwards: from then on every turn also recalls, which the bolt bot never does.
        for app in (place.QUICK, place.HOSTED):
            await people.converse(app, CONVERSATIONS, asked.scaled(10, 3), "A")
        await bolt_people.converse(place.QUICK, CONVERSATIONS, asked.scaled(5, 1), "A")
        for _ in range(asked.rounds):
            await ours(asked, installed, inbox, people, local)
            await _bolt(asked, bolt_people, bot, bolt)
            await ours(asked, installed, inbox, people, hosted)
    return _figures(local, bolt, hosted)


async def ours(asked: Asked, installed: Installed, inbox: Inbox, people: People, runs: Runs) -> None:
    """One round of people who talk with an employee of ours."""
    await inbox.settled()
    commits, used = await inbox.commits(), meter(installed)
    used.start()
    talk = await people.converse(runs.app, CONVERSATIONS, asked.scaled(10, 4), "A")
    await inbox.settled()
    runs.cpu.append(used.stop()[0] / len(talk.latencies))
    runs.talks.append(talk)
    await asyncio.sleep(asked.scaled(STATISTICS_SECONDS, 2))
    runs.commits.append((await inbox.commits() - commits) / len(talk.latencies))


async def _bolt(asked: Asked, people: People, bot: Child, runs: Runs) -> None:
    used = Meter(lambda: [bot.process()])
    used.start()
    talk = await people.converse(place.QUICK, CONVERSATIONS, asked.scaled(10, 4), "A")
    runs.cpu.append(used.stop()[0] / len(talk.latencies))
    runs.talks.append(talk)


def _figures(local: Runs, bolt: Runs, hosted: Runs) -> list[Figure]:
    bare = "slack-bolt + asyncio, one process, nothing durable"
    lost = sum(talk.lost for runs in (local, hosted) for talk in runs.talks)
    return [
        Figure("turns end to end, 50 conversations", local.rate, "turns/s", bare, bolt.rate, ratio_at_least(1)),
        Figure("the same through LiteLLM", hosted.rate, "turns/s", bare, bolt.rate),
        Figure("answer p99 in that load", local.p99(), "ms", bare, bolt.p99()),
        Figure("turns without an answer in that load", lost, "turns", goal=at_most(0)),
        Figure(
            "CPU per turn, all processes",
            local.milliseconds,
            "ms",
            "the bolt bot",
            bolt.milliseconds,
            at_most(15),
        ),
        Figure("the same through LiteLLM", hosted.milliseconds, "ms", "the bolt bot", bolt.milliseconds),
        Figure("commits per turn", median(local.commits), "commits", goal=at_most(3)),
    ]

"""Hundreds of kills under load, in both of Slack's moods, judged by what was acknowledged and is visible."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from tests.bench import place
from tests.bench.asked import Asked
from tests.bench.crowd import RETRY_SECONDS, Crowd
from tests.bench.figure import Figure, at_most
from tests.bench.inbox import watching
from tests.bench.installed import installation
from tests.bench.killing import Killing
from tests.bench.percentile import percentile
from tests.bench.slack import slack_for
from tests.checker import Verdict

QUICK_TALKERS, DRIP_TALKERS = 10, 5
QUICK_PAUSE, DRIP_PAUSE = (0.4, 1.2), (3.0, 6.0)
SETTLED_SECONDS = 180
MOODS = ("honours", "ignores")


@dataclass
class Tally:
    """All moods together."""

    verdict: Verdict = field(default_factory=Verdict)
    takeovers: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kills: int = 0
    missed: int = 0
    acknowledged: int = 0
    dead: int = 0

    def add(self, mood: str, killing: Killing, crowd: Crowd, verdict: Verdict) -> None:
        """One mood's outcome."""
        for name in ("lost", "doubled", "misordered"):
            getattr(self.verdict, name).extend(getattr(verdict, name))
        self.takeovers += killing.takeovers
        self.kills += killing.count
        self.missed += len(killing.missed)
        self.acknowledged += crowd.acknowledged()
        places = ", ".join(f"{place} {count}" for place, count in sorted(killing.kills.items()))
        outcome = f"{killing.count} kills ({places}), {crowd.acknowledged()} messages, {verdict}"
        self.notes.append("; ".join([f"Slack {mood} client_msg_id: {outcome}", *killing.missed]))
        print(self.notes[-1], flush=True)


async def measure(asked: Asked) -> list[Figure]:
    """Half of the kills while Slack honours client_msg_id, half while it ignores it."""
    tally = Tally()
    async with installation(asked.home / "k", failpoints=True) as installed, watching(installed) as inbox:
        for number, mood in enumerate(MOODS):
            killing = Killing(installed, inbox)
            honour = mood == "honours"
            async with slack_for(place.WEBHOOK, place.SLACK_PORT, honour=honour, retry_seconds=RETRY_SECONDS) as slack:
                crowd = Crowd(slack, number * 1_000_000)
                await _talk_and_kill(crowd, killing, asked.kills // len(MOODS), mood[0].upper())
                with suppress(TimeoutError):
                    await inbox.settled(SETTLED_SECONDS)
                await asyncio.sleep(3)  # for doubles to show
                tally.add(mood, killing, crowd, crowd.verdict())
        tally.dead = await inbox.dead()
    return _figures(tally)


async def _talk_and_kill(crowd: Crowd, killing: Killing, kills: int, prefix: str) -> None:
    async with asyncio.TaskGroup() as group:
        talk = [
            group.create_task(crowd.talk(place.QUICK, QUICK_TALKERS, f"{prefix}Q", QUICK_PAUSE)),
            group.create_task(crowd.talk(place.DRIP, DRIP_TALKERS, f"{prefix}D", DRIP_PAUSE)),
        ]
        await asyncio.sleep(3)
        await killing.run(kills)
        for task in talk:
            task.cancel()
    # What was on its way to the webhook when the talk ended still arrives.
    await asyncio.sleep(10)


def _figures(tally: Tally) -> list[Figure]:
    none, takeovers, verdict = at_most(0), tally.takeovers, tally.verdict
    first = "takeover after kill -9, first new commit"
    note = f"{len(takeovers)} kills of hosts at random moments, longest {max(takeovers, default=0):.2f} s"
    return [
        Figure(f"{first}, p50", percentile(takeovers, 0.5), "s", goal=at_most(5)),
        Figure(f"{first}, p99", percentile(takeovers, 0.99), "s", goal=at_most(10), note=note),
        Figure("kills under load", tally.kills, "kills", note="\n".join(tally.notes)),
        Figure("kills that met nobody, or after which nothing went on in time", tally.missed, "kills", goal=none),
        Figure("messages acknowledged in that load", tally.acknowledged, "messages"),
        Figure("lost replies", len(verdict.lost), "replies", goal=none),
        Figure("doubled replies", len(verdict.doubled), "replies", goal=none),
        Figure("misordered replies", len(verdict.misordered), "replies", goal=none),
        Figure("dead letters", tally.dead, "messages", goal=none),
    ]

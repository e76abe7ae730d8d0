"""Hundreds of kills under load, in both of Slack's moods, judged by what was acknowledged and is visible."""

import asyncio
from contextlib import suppress

from tests.bench import place
from tests.bench.asked import Asked
from tests.bench.crowd import RETRY_SECONDS, Crowd
from tests.bench.figure import Figure, at_most
from tests.bench.inbox import Inbox, watching
from tests.bench.installed import Installed, installation
from tests.bench.killing import Killing
from tests.bench.percentile import percentile
from tests.bench.slack import slack_for
from tests.checker import Verdict

QUICK_TALKERS, DRIP_TALKERS = 10, 5


async def measure(asked: Asked) -> list[Figure]:
    """Half of the kills while Slack honours client_msg_id, half while it ignores it."""
    whole, acknowledged, takeovers, notes = Verdict(), 0, [], []
    kills, missed, dead = 0, 0, 0
    async with installation(asked.home / "k", failpoints=True) as installed, watching(installed) as inbox:
        for number, honour in enumerate((True, False)):
            killing, crowd, verdict = await _mood(asked, installed, inbox, honour, number)
            for name in ("lost", "doubled", "misordered"):
                getattr(whole, name).extend(getattr(verdict, name))
            kills += killing.count
            missed += len(killing.missed)
            acknowledged += crowd.acknowledged()
            takeovers += killing.takeovers
            mood = "honours" if honour else "ignores"
            notes.append(
                f"Slack {mood} client_msg_id: {killing.count} kills ({_listed(killing.kills)}), "
                f"{crowd.acknowledged()} messages, {verdict}{'; ' if killing.missed else ''}{'; '.join(killing.missed)}"
            )
            print(notes[-1], flush=True)
        dead = await inbox.dead()
    return _figures(whole, kills, acknowledged, takeovers, dead, "\n".join(notes))


async def _mood(
    asked: Asked, installed: Installed, inbox: Inbox, honour: bool, number: int
) -> tuple[Killing, Crowd, Verdict]:
    async with slack_for(
        place.WEBHOOK, place.SLACK_PORT, honour=honour, retry_seconds=RETRY_SECONDS
    ) as slack:
        crowd, killing = Crowd(slack, number * 1_000_000), Killing(installed, inbox)
        talk = asyncio.gather(
            crowd.talk(place.QUICK, QUICK_TALKERS, f"Q{number}"),
            crowd.talk(place.DRIP, DRIP_TALKERS, f"D{number}"),
        )
        await asyncio.sleep(3)
        await killing.run(asked.kills // 2)
        talk.cancel()
        with suppress(asyncio.CancelledError):
            await talk
        # What was on its way to the webhook when the talk ended still arrives.
        await asyncio.sleep(10)
        return killing, crowd, await crowd.verdict()


def _figures(
    verdict: Verdict, kills: int, acknowledged: int, takeovers: list[float], dead: int, note: str
) -> list[Figure]:
    none = at_most(0)
    return [
        Figure("takeover after kill -9, first new commit, p50", percentile(takeovers, 0.5), "s", goal=at_most(5)),
        Figure("takeover after kill -9, first new commit, p99", percentile(takeovers, 0.99), "s", goal=at_most(10),
               note=f"{len(takeovers)} kills of hosts at random moments; longest {max(takeovers, default=0):.2f} s"),
        Figure("kills under load", kills, "kills", note=note),
        Figure("messages acknowledged in that load", acknowledged, "messages"),
        Figure("lost replies", len(verdict.lost), "replies", goal=none),
        Figure("doubled replies", len(verdict.doubled), "replies", goal=none),
        Figure("misordered replies", len(verdict.misordered), "replies", goal=none),
        Figure("dead letters", dead, "messages", goal=none),
    ]  # fmt: skip


def _listed(kills: dict[str, int]) -> str:
    return ", ".join(f"{place} {count}" for place, count in sorted(kills.items()))

"""People who go on talking while hosts die; each says the next thing once the last was acknowledged."""

import asyncio
import html
import random

from simulator import App, SlackSimulator
from tests.checker import Said, Verdict, check, text_of

# A deliverer tries again sooner than Slack does, so that the run ends this week.
RETRY_SECONDS = (0.3, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 5.0, 5.0)


class Crowd:
    """A message counts as acknowledged when any attempt to deliver it got a 2xx."""

    def __init__(self, slack: SlackSimulator, first: int) -> None:
        """`first`: the first message's number; numbers are never used twice in a run."""
        self._slack = slack
        self._next = first
        self._said: dict[str, list[tuple[int, str]]] = {}

    async def talk(self, app: App, channels: int, prefix: str, pause: tuple[float, float]) -> None:
        """Until cancelled; everybody pauses for a time (seconds) in that range between two messages."""
        await asyncio.gather(*(self._one(app, f"D0{prefix}{number}", pause) for number in range(channels)))

    async def _one(self, app: App, channel: str, pause: tuple[float, float]) -> None:
        while True:
            await self.say(app, channel)
            await asyncio.sleep(random.uniform(*pause))

    async def say(self, app: App, channel: str) -> None:
        """Say the next message and wait until it is acknowledged, or given up."""
        self._next += 1
        number, event = self._next, f"Ev{self._next:08d}"
        self._said.setdefault(f"{app.team}/{channel}", []).append((number, event))
        said = await self._slack.say(
            text_of(number), channel=channel, user=f"U{channel}", team=app.team, event_id=event
        )
        if said.status == 200:
            return
        delivery = next(one for one in reversed(self._slack.deliveries) if one.event_id == event)
        while not delivery.acknowledged and len(delivery.attempts) <= len(RETRY_SECONDS):
            await asyncio.sleep(0.05)

    def acknowledged(self) -> int:
        """How many messages count."""
        return sum(len(said) for said in self._accepted().values())

    def verdict(self) -> Verdict:
        """To be asked once, when everything is settled: it compares every message with every other."""
        visible = {place: self._visible(*place.split("/")) for place in self._said}
        return check(self._accepted(), visible)

    def _accepted(self) -> dict[str, list[Said]]:
        deliveries = {delivery.event_id: delivery for delivery in self._slack.deliveries}
        return {
            place: [said for number, event in numbers if (said := Said.from_delivery(number, deliveries[event]))]
            for place, numbers in self._said.items()
        }

    def _visible(self, team: str, channel: str) -> list[str]:
        bot = self._slack.app_of(team).bot_user
        return [html.unescape(m.text) for m in self._slack.messages(channel, team=team) if m.user == bot]

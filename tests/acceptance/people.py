"""People who talk to globex' employee in the real installation, judged by the history checker."""

import asyncio
from contextlib import suppress

from simulator import SlackSimulator
from tests.acceptance.conftest import GLOBEX
from tests.checker import Said, Verdict, check, text_of


class People:
    """Each speaks in a channel of their own; a message counts as acknowledged when any delivery got a 200."""

    def __init__(self, slack: SlackSimulator) -> None:
        """Nobody has spoken yet."""
        self._slack = slack
        self._numbers: dict[str, list[tuple[int, str]]] = {}
        self._next = 0

    async def say(self, channel: str) -> None:
        """Say the next message in `channel`."""
        self._next += 1
        number = self._next
        said = await self._slack.say(text_of(number), channel=channel, user=f"U{channel}", team=GLOBEX.team)
        self._numbers.setdefault(channel, []).append((number, said.event_id))

    async def talk(self, channels: int, messages: int, pause: float) -> None:
        """Several people, several messages each, with pauses."""

        async def one(number: int) -> None:
            for _ in range(messages):
                await self.say(f"D0P{number}")
                await asyncio.sleep(pause)

        await asyncio.gather(*(one(number) for number in range(channels)))

    async def caught_up(self, timeout: float = 60.0) -> None:
        """Wait until what was said so far is answered: a message that meets a third crash becomes a dead letter."""
        said = {number for numbers in self._numbers.values() for number, _ in numbers}
        async with asyncio.timeout(timeout):
            while said & set(self.judge().lost):
                await asyncio.sleep(0.1)

    async def verdict(self, timeout: float = 90.0) -> Verdict:
        """Wait for what is acknowledged to be answered, let doubles show, judge."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self.judge().lost:
                    await asyncio.sleep(0.1)
        await asyncio.sleep(2.0)
        return self.judge()

    def judge(self) -> Verdict:
        """The verdict now."""
        deliveries = {delivery.event_id: delivery for delivery in self._slack.deliveries}
        said = {
            channel: [heard for number, event in numbers if (heard := Said.from_delivery(number, deliveries[event]))]
            for channel, numbers in self._numbers.items()
        }
        return check(said, {channel: self._visible(channel) for channel in said})

    def _visible(self, channel: str) -> list[str]:
        messages = self._slack.messages(channel, team=GLOBEX.team)
        return [message.text for message in messages if message.user == GLOBEX.bot_user]

"""People in conversations: each says something, waits for the answer, says the next thing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from simulator import App, SlackSimulator

ANSWER_SECONDS = 30.0


@dataclass
class Talk:
    """`latencies`: seconds from before the webhook is called until the answer is visible."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    lost: int = 0

    @property
    def rate(self) -> float:
        """Turns per second."""
        return len(self.latencies) / self.seconds


class People:
    """Speaks through one simulator and hears the employees' answers."""

    def __init__(self, slack: SlackSimulator) -> None:
        """Use `listening`."""
        self._slack = slack
        self._awaited: dict[str, asyncio.Future[float]] = {}

    async def listen(self) -> None:
        """Pass answers on to whom waits in their channel."""
        async for entry in self._slack.follow(len(self._slack.log)):
            if entry.by_app and entry.kind == "message":
                waiting = self._awaited.pop(entry.channel, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(entry.at)

    async def ask(self, app: App, channel: str, text: str) -> float:
        """Say it; seconds until the answer is visible. Raises TimeoutError."""
        begun = time.time()
        return await self.answered_at(app, channel, text) - begun

    async def answered_at(self, app: App, channel: str, text: str) -> float:
        """Say it; when the answer became visible, `time.time()`. Raises TimeoutError."""
        answer = self._awaited[channel] = asyncio.get_running_loop().create_future()
        await self._slack.say(text, channel=channel, user=f"U{channel}", team=app.team)
        return float(await asyncio.wait_for(answer, ANSWER_SECONDS))

    async def converse(self, app: App, conversations: int, seconds: float, name: str) -> Talk:
        """All conversations at once for `seconds`."""
        talk = Talk()
        begun = time.perf_counter()

        async def one(channel: str) -> None:
            number = 0
            while time.perf_counter() - begun < seconds:
                number += 1
                try:
                    talk.latencies.append(await self.ask(app, channel, question(number)))
                except TimeoutError:
                    talk.lost += 1

        await asyncio.gather(*(one(f"D0{name}{number}") for number in range(conversations)))
        talk.seconds = time.perf_counter() - begun
        return talk


def question(number: int) -> str:
    """What a customer of Acme's shop asks."""
    return f"Where is order {number} now?"


@asynccontextmanager
async def listening(slack: SlackSimulator) -> AsyncIterator[People]:
    """People on this simulator for the length of the block."""
    people = People(slack)
    task = asyncio.create_task(people.listen())
    try:
        yield people
    finally:
        task.cancel()

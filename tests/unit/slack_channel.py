"""A Slack channel against the simulated Slack over HTTP, for tests of what is sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp

from konstruct.channels import Line
from konstruct.channels.slack import SlackChannel
from konstruct.identity import tenant_id
from konstruct.messages import Address, Reply
from simulator import App, SlackSimulator
from simulator.slack.message import Message

APP = App()
ACME = tenant_id("acme")
LONG = "A first sentence. " * 10


@dataclass
class Desk:
    """One channel of one workspace; `another()` is what a second process would have."""

    slack: SlackSimulator
    session: aiohttp.ClientSession
    channel: SlackChannel

    def another(self) -> SlackChannel:
        return opened(self.slack.url, self.session)

    @property
    def messages(self) -> list[Message]:
        """What the employee has said and can be read now, anywhere, oldest first."""
        places = self.slack.workspaces._channels.values()
        found = [message for place in places for message in place.by_ts.values()]
        return sorted((m for m in found if m.bot and not m.deleted), key=lambda message: message.ts)

    @property
    def read(self) -> list[str]:
        return [message.shown for message in self.messages]

    def called(self, method: str) -> int:
        return sum(count for (name, _), count in self.slack.api.calls.items() if name == method)

    async def asked(self, channel: str = "D0ALICE", text: str = "a question") -> str:
        """A person's message; answers its ts."""
        return (await self.slack.say(text, channel=channel)).ts


def opened(url: str, session: aiohttp.ClientSession) -> SlackChannel:
    return SlackChannel(Line(ACME, APP.team, APP.bot_user, {"bot_token": APP.bot_token}, {}, url, session))


@asynccontextmanager
async def desk(**options: Any) -> AsyncIterator[Desk]:
    async with SlackSimulator([APP], retry_seconds=(), **options) as slack, aiohttp.ClientSession() as session:
        yield Desk(slack, session, opened(slack.url, session))


def reply_to(source: str, text: str = "", number: int = 1, **address: Any) -> Reply:
    """A reply in the thread of the message `source`, unless the address says otherwise."""
    place = {"channel": "D0ALICE", "thread": source, "private": True, "recipient": "U0ALICE"} | address
    id_ = UUID(int=number)
    return Reply(id_, ACME, id_, id_, 0, text, "slack", Address(APP.team, **place), source_id=source)

"""Tells hosts about durable messages; knows which host owns which shard as of a second ago."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import structlog

from konstruct.database import hosting
from konstruct.database.pool import Database
from konstruct.errors import KonstructError
from konstruct.messages import Heard

REFRESH_SECONDS = 1.0
# A host that was just woken is woken again later, for everything that came meanwhile: the later, the more there was,
# because a wake costs more than a message in it.
REST_SECONDS = 0.005
LONGEST_REST_SECONDS = 0.03

log = structlog.get_logger()


class Wakeable(Protocol):
    """Hosts, as the router sees them."""

    def forget(self) -> None:
        """The mapping or the actors changed."""
        ...

    def wake_later(self, number: int, messages: Sequence[Heard]) -> None:
        """Fire and forget."""
        ...


class Router:
    """A hint, not a promise: what goes to a wrong or dead host is found by the right one's sweep."""

    def __init__(self, database: Database, hosts: Wakeable) -> None:
        """Call `start` in the event loop."""
        self._database = database
        self._hosts = hosts
        self._mapping: hosting.Hosting | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting: dict[int, list[Heard]] = defaultdict(list)
        self._resting: set[int] = set()

    def start(self) -> None:
        """Follow the mapping."""
        self._task = asyncio.create_task(self._follow())

    def wake(self, messages: Sequence[Heard]) -> None:
        """Never raises, never waits."""
        if self._mapping is None or self._mapping.hosts == 0:
            return
        for heard in messages:
            self._waiting[heard.shard % self._mapping.hosts].append(heard)
        for number in [number for number in self._waiting if number not in self._resting]:
            self._wake(number)

    def _wake(self, number: int) -> None:
        self._resting.discard(number)
        messages = self._waiting.pop(number, None)
        if messages:
            self._resting.add(number)
            rest = min(REST_SECONDS * len(messages), LONGEST_REST_SECONDS)
            asyncio.get_running_loop().call_later(rest, self._wake, number)
            self._hosts.wake_later(number, messages)

    async def _follow(self) -> None:
        while True:
            try:
                mapping = await hosting.read(self._database)
                if self._mapping is None or mapping.generation != self._mapping.generation:
                    self._hosts.forget()
                self._mapping = mapping
            except KonstructError as error:
                log.warning("mapping not refreshed", reason=str(error))
            await asyncio.sleep(REFRESH_SECONDS)

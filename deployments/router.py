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

    def start(self) -> None:
        """Follow the mapping."""
        self._task = asyncio.create_task(self._follow())

    def wake(self, messages: Sequence[Heard]) -> None:
        """Never raises, never waits."""
        if self._mapping is None or self._mapping.hosts == 0:
            return
        by_host: dict[int, list[Heard]] = defaultdict(list)
        for heard in messages:
            by_host[heard.shard % self._mapping.hosts].append(heard)
        for number, of_host in by_host.items():
            self._hosts.wake_later(number, of_host)

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

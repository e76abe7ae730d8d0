"""The Supervisor: creates hosts, checks their health, replaces them on a new version, resizes while messages flow."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from actors.conversation_host import DRAIN_SECONDS, HostHealth
from konstruct.database import hosting, installation
from konstruct.database.pool import Database
from konstruct.errors import KonstructError
from konstruct.metrics import Metrics

CHECK_SECONDS = 0.5
SILENT_SECONDS = 5.0
MEASURE_SECONDS = 5.0
# While a host drains or starts, the others are looked at again.
ROUND_SECONDS = 2.0

log = structlog.get_logger()


class Hosts(Protocol):
    """How the Supervisor reaches hosts."""

    async def ensure(self, number: int) -> HostHealth:
        """Create it if there is none."""
        ...

    async def check_health(self, number: int) -> HostHealth | None:
        """None if it does not answer."""
        ...

    async def call(self, number: int, method: str, *arguments: object, seconds: float) -> object:
        """Call a method of it."""
        ...

    def kill(self, number: int) -> None:
        """End it."""
        ...


class Supervisor:
    """Brings the hosts to what PostgreSQL says they should be, again and again."""

    def __init__(
        self, database: Database, hosts: Hosts, version: str, default_hosts: int, metrics: Metrics,
        *, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`version`: the code version that every host should run; `default_hosts`: until an operator asks otherwise."""
        self._clock = clock
        self._database = database
        self._hosts = hosts
        self._version = version
        self._default_hosts = default_hosts
        self._metrics = metrics
        self._seen: dict[int, float] = {}
        self._measured = 0.0
        self._upgrading = asyncio.Lock()
        self._looking: dict[int, asyncio.Task[None]] = {}
        self.health: dict[int, HostHealth] = {}

    async def run(self) -> None:
        """Supervise until cancelled."""
        try:
            while True:
                try:
                    await self.check()
                    await self._measure()
                except Exception as error:
                    log.exception("supervision failed, trying again", reason=f"{type(error).__name__}: {error}")
                await asyncio.sleep(CHECK_SECONDS)
        finally:
            for looking in self._looking.values():
                looking.cancel()

    async def check(self) -> None:
        """One round: resize if asked to, then look at every host. One that drains or starts is not waited for long."""
        mapping = await hosting.read(self._database)
        wanted = mapping.wanted(self._default_hosts)
        if mapping.hosts == 0:
            await hosting.remap(self._database, wanted)
        elif wanted != mapping.hosts:
            await self._look(None)
            await self._resize(mapping.hosts, wanted)
        for number in range(wanted):
            if number not in self._looking:
                self._looking[number] = asyncio.create_task(self._look_after(number, wanted))
        await self._look(ROUND_SECONDS)

    async def _look(self, seconds: float | None) -> None:
        """Wait for those who look after hosts, so long or to the end; raises what went wrong with one of them."""
        if not self._looking:
            return
        done, _ = await asyncio.wait(self._looking.values(), timeout=seconds)
        self._looking = {number: looking for number, looking in self._looking.items() if looking not in done}
        for error in filter(None, [looking.exception() for looking in done]):
            raise error

    async def _look_after(self, number: int, hosts: int) -> None:
        health = await self._hosts.check_health(number)
        now = self._clock()
        if health is None:
            self.health.pop(number, None)
            if now - self._seen.get(number, -math.inf) >= SILENT_SECONDS:
                await self._replace(number)
            return
        self._seen[number] = now
        self.health[number] = health
        if health.version != self._version:
            log.info("replacing a host of another version", host=number, version=health.version)
            # One by one: while a host drains, the others answer.
            async with self._upgrading:
                await self._drain(number)
                await self._replace(number)
        elif health.shards != len(hosting.shards_of(number, hosts)):
            await self._ask(number, "make_room", hosts)
            await self._ask(number, "adopt", hosts)

    async def _replace(self, number: int) -> None:
        """A silent host may be a zombie: end it, and let the new one's epochs fence it in case it lives on."""
        log.warning("starting a host", host=number)
        self._hosts.kill(number)
        self.health[number] = await self._hosts.ensure(number)
        self._seen[number] = self._clock()
        await self._renew_generation()

    async def _renew_generation(self) -> None:
        # Whoever keeps handles to hosts looks at the generation and finds the new actor.
        mapping = await hosting.read(self._database)
        await hosting.remap(self._database, mapping.hosts)

    async def _resize(self, before: int, after: int) -> None:
        log.info("resizing", before=before, after=after)
        # Almost every host has shards to give away, also when there will be fewer hosts.
        staying = range(min(before, after))
        await asyncio.gather(
            *(self._ask(number, "make_room", after) for number in staying),
            *(self._drain(number) for number in range(after, before)),
        )
        # Those that come must be new: one that was left behind by a round that ended here has given up its work.
        self._end(range(before, after))
        await hosting.remap(self._database, after)
        self._end(range(after, before))
        await asyncio.gather(*(self._ask(number, "adopt", after) for number in staying))

    def _end(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._hosts.kill(number)
            self.health.pop(number, None)
            self._seen.pop(number, None)

    async def _drain(self, number: int) -> None:
        await self._ask(number, "stop")

    async def _ask(self, number: int, method: str, *arguments: object) -> None:
        try:
            await self._hosts.call(number, method, *arguments, seconds=DRAIN_SECONDS + SILENT_SECONDS)
        except Exception as error:  # noqa: BLE001 - the fence makes an unwilling host harmless
            log.warning("host did not do as asked", host=number, method=method, reason=str(error))

    async def _measure(self) -> None:
        if self._clock() - self._measured < MEASURE_SECONDS:
            return
        self._measured = self._clock()
        try:
            status = await installation.status(self._database)
        except KonstructError as error:
            log.warning("status not measured", reason=str(error))
            return
        self._metrics.gauge("konstruct_inbox_waiting", status.inbox_waiting)
        self._metrics.gauge("konstruct_inbox_oldest_seconds", status.inbox_oldest_seconds)
        self._metrics.gauge("konstruct_outbox_waiting", status.outbox_waiting)
        self._metrics.gauge("konstruct_dead_letters", status.inbox_dead + status.outbox_dead)
        self._metrics.gauge("konstruct_audit_unsealed_seconds", status.audit_unsealed_seconds)

"""A host: the process that hosts the conversations of its shards, and finds again whatever was lost on the way."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Protocol
from uuid import UUID

import structlog

from konstruct.database import amendments, hosting, idempotency, turns
from konstruct.database.pool import Database
from konstruct.errors import KonstructError
from konstruct.fair_queue import FairQueue
from konstruct.identity import shard_of
from konstruct.messages import Heard, Ownership
from konstruct.metrics import Metrics

SWEEP_SECONDS = 1.0
# Fresh messages are woken by the ingress; only older ones may have been missed.
MISSED_AFTER = timedelta(seconds=1)
MEMORY_SWEEP_SECONDS = 15.0
# In sweeps of memories: an hour.
TIDY_EVERY = 240
IDLE_SECONDS = 900.0
LOADED_LIMIT = 60_000
DRAIN_SECONDS = 30.0

log = structlog.get_logger()


class Resident(Protocol):
    """A conversation, as its host sees it."""

    touched: float

    @property
    def id(self) -> UUID:
        """The conversation's id."""
        ...

    @property
    def busy(self) -> bool:
        """Whether it is at work."""
        ...

    def hear(self, heard: Heard) -> None:
        """A message arrived."""
        ...

    def look(self) -> None:
        """Something waits in PostgreSQL."""
        ...

    def forget(self) -> None:
        """End at once."""
        ...

    async def settle(self) -> None:
        """Wait until it does nothing that its next owner cannot do as well."""
        ...


OpenConversation = Callable[[Ownership, Callable[[Resident], None]], Resident]


class MemorySweep(Protocol):
    """The part of the memory job that a host drives."""

    async def sweep(self, host: int) -> int:
        """Embed what was left behind."""
        ...

    async def settle(self) -> None:
        """Wait until everything queued is done."""
        ...


@dataclass(frozen=True, slots=True)
class HostHealth:
    """What the Supervisor asks a host for."""

    host: int
    version: str
    pid: int
    shards: int
    conversations: int
    busy: int


class ConversationHost:
    """Owns shards under an epoch, opens conversations on first use, lets idle ones go."""

    def __init__(
        self, host: int, database: Database, open_conversation: OpenConversation, memory_job: MemorySweep,
        metrics: Metrics, *, turns: FairQueue,
    ) -> None:  # fmt: skip
        """Light; `start` takes the shards. `turns`: where the conversations' turns wait for each other."""
        self.host = host
        self._database = database
        self._open = open_conversation
        self._memory_job = memory_job
        self._metrics = metrics
        self._turns = turns
        self._tenures: dict[int, hosting.Tenure] = {}
        self._residents: dict[UUID, Resident] = {}
        self._draining: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, hosts: int, *, there: timedelta = timedelta(0)) -> None:
        """Take this host's shards of `hosts`, look at once for what waits in them. `there`: see hosting.take."""
        await self.adopt(hosts, there=there)
        self._tasks = [asyncio.create_task(self._sweep_forever()), asyncio.create_task(self._tidy_forever())]

    async def stop(self) -> None:
        """Let running turns end, then forget everything."""
        await self.release(list(self._tenures))
        for task in self._tasks:
            task.cancel()
        await self._memory_job.settle()

    def wake(self, messages: Sequence[Heard]) -> None:
        """Messages became durable. Those of foreign shards are left to their owners' sweep."""
        for heard in messages:
            if resident := self._resident(heard.tenant, heard.conversation, heard.shard):
                resident.hear(heard)

    async def adopt(self, hosts: int, *, there: timedelta = timedelta(0)) -> None:
        """Own the shards that are this host's when there are `hosts` hosts; take only those not owned yet."""
        self._turns.parts = hosts
        mine = hosting.shards_of(self.host, hosts)
        missing = [shard for shard in mine if shard not in self._tenures]
        self._tenures.update(await hosting.take(self._database, self.host, missing, there=there) if missing else {})
        await self._sweep(timedelta(0))

    async def release(self, shards: Sequence[int]) -> None:
        """Give shards up: start nothing new in them, let running turns end, for up to DRAIN_SECONDS."""
        leaving = set(shards)
        self._draining |= leaving
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.gather(*(self._let_go(r) for r in self._residents.values() if shard_of(r.id) in leaving))
        except TimeoutError:
            log.warning("drain timed out; the next owner repeats these turns", host=self.host)
        await self._leave({shard: self._tenures.pop(shard) for shard in leaving if shard in self._tenures})
        self._draining -= leaving

    async def _let_go(self, resident: Resident) -> None:
        try:
            await resident.settle()
        finally:
            self._drop(resident)  # at once: what it would hear from now on is its next owner's

    async def _leave(self, tenures: dict[int, hosting.Tenure]) -> None:
        try:
            await hosting.leave(self._database, tenures)
        except KonstructError as error:
            log.warning("left without a word; what waits counts as met by a crash", host=self.host, reason=str(error))

    async def make_room(self, hosts: int) -> None:
        """Give up the shards that are another's when there are `hosts` hosts."""
        keep = set(hosting.shards_of(self.host, hosts))
        await self.release([shard for shard in self._tenures if shard not in keep])

    @property
    def loaded(self) -> int:
        """Conversations in memory."""
        return len(self._residents)

    @property
    def shards(self) -> int:
        """Shards owned."""
        return len(self._tenures)

    @property
    def busy(self) -> int:
        """Conversations at work."""
        return sum(resident.busy for resident in self._residents.values())

    def _resident(self, tenant: UUID, conversation: UUID, shard: int) -> Resident | None:
        resident = self._residents.get(conversation)
        if resident is None:
            tenure = self._tenures.get(shard)
            if tenure is None or shard in self._draining:
                return None
            resident = self._residents[conversation] = self._open(
                Ownership(tenant, conversation, shard, tenure.epoch, tenure.calm_epoch), self._fenced
            )
        resident.touched = time.monotonic()
        return resident

    def _fenced(self, resident: Resident) -> None:
        """Another host took this conversation's shard: let go of the whole shard."""
        shard = shard_of(resident.id)
        self._tenures.pop(shard, None)
        for other in [r for r in self._residents.values() if shard_of(r.id) == shard]:
            self._drop(other)

    def _drop(self, resident: Resident) -> None:
        if self._residents.get(resident.id) is resident:
            del self._residents[resident.id]
            resident.forget()

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self._sweep(MISSED_AFTER)
            except Exception as error:  # noqa: BLE001 - a host that sweeps no more loses what nobody woke it for
                _skipped("sweep", self.host, error)
            self._metrics.gauge("konstruct_active_conversations", len(self._residents))
            self._metrics.gauge("konstruct_turns_waiting", self._turns.waiting)

    async def _sweep(self, older_than: timedelta) -> None:
        for tenant, conversation, shard in await hosting.waiting(self._database, self.host, older_than):
            if resident := self._resident(tenant, conversation, shard):
                resident.look()

    async def _tidy_forever(self) -> None:
        for sweeps in count(1):
            await asyncio.sleep(MEMORY_SWEEP_SECONDS)
            self._passivate()
            try:
                await self._memory_job.sweep(self.host)
                if self.host == 0 and sweeps % TIDY_EVERY == 1:
                    await self.tidy()
            except Exception as error:  # noqa: BLE001 - the same
                _skipped("memory sweep", self.host, error)

    async def tidy(self) -> None:
        """Forget amendments of messages that did not come, events that nobody could read, answers to old writes."""
        await amendments.forget_early(self._database)
        await turns.forget_malformed(self._database)
        await idempotency.forget_old(self._database)

    def _passivate(self) -> None:
        now = time.monotonic()
        surplus = max(0, len(self._residents) - LOADED_LIMIT)
        oldest = sorted((r for r in self._residents.values() if not r.busy), key=lambda r: r.touched)
        for n, resident in enumerate(oldest):
            if n < surplus or now - resident.touched > IDLE_SECONDS:
                self._drop(resident)


def _skipped(what: str, host: int, error: Exception) -> None:
    write = log.warning if isinstance(error, KonstructError) else log.exception
    write(f"{what} skipped", host=host, reason=f"{type(error).__name__}: {error}")

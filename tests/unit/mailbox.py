"""A host whose conversations only keep what they are told, over a shards table that is a dictionary."""

import asyncio
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from actors.conversation_host import ConversationHost, Resident
from konstruct.database.pool import Database
from konstruct.fair_queue import FairQueue
from konstruct.identity import shard_of, tenant_id
from konstruct.messages import Heard, Ownership
from konstruct.metrics import Unmeasured

ACME = tenant_id("acme")


class Shards:
    """The shards table: whoever takes a shard raises its epoch. `errors` hit the next sweeps."""

    def __init__(self) -> None:
        self.epochs: dict[int, int] = {}
        self.taken: list[list[int]] = []
        self.left: list[int] = []
        self.waiting: list[UUID] = []
        self.errors: list[Exception] = []
        self.sweeps = 0

    async def run(self, query: str, /, **arguments: Any) -> Any:
        if query == "take_shards":
            self.taken.append(arguments["shards"])
            for shard in arguments["shards"]:
                self.epochs[shard] = self.epochs.get(shard, 0) + 1
            return [{"shard": shard, "epoch": self.epochs[shard], "calm_epoch": 0} for shard in arguments["shards"]]
        if query == "leave_shards":
            self.left += arguments["shards"]
            return None
        assert query == "waiting_conversations"
        self.sweeps += 1
        if self.errors:
            raise self.errors.pop(0)
        return [{"tenant_id": ACME, "conversation_id": id_, "shard": shard_of(id_)} for id_ in self.waiting]


class Mailbox:
    """A conversation that only keeps what it is told."""

    def __init__(self, owned: Ownership, on_end: Callable[[Resident], None]) -> None:
        self.id, self.shard, self.on_end = owned.conversation, owned.shard, on_end
        self.touched = 0.0
        self.heard: list[Heard] = []
        self.looks = 0
        self.forgotten = False
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def busy(self) -> bool:
        return not self.idle.is_set()

    def hear(self, heard: Heard) -> None:
        self.heard.append(heard)

    def look(self) -> None:
        self.looks += 1

    def forget(self) -> None:
        self.forgotten = True

    async def settle(self) -> None:
        await self.idle.wait()


class Memories:
    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.sweeps = 0

    async def sweep(self, host: int) -> int:
        self.sweeps += 1
        if self.errors:
            raise self.errors.pop(0)
        return 0

    async def settle(self) -> None:
        return None


class Office:
    """One host and everything around it."""

    def __init__(self, number: int = 0) -> None:
        self.shards = Shards()
        self.memories = Memories()
        self.opened: list[Mailbox] = []
        self.turns = FairQueue(1)
        self.host = ConversationHost(
            number, cast("Database", self.shards), self._open, self.memories, Unmeasured(), turns=self.turns
        )

    def _open(self, owned: Ownership, on_end: Callable[[Resident], None]) -> Resident:
        self.opened.append(Mailbox(owned, on_end))
        return self.opened[-1]

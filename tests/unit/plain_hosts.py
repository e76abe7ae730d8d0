"""Hosts that are plain objects, and the mapping that says how many there should be."""

import asyncio
from typing import Any, cast

from actors.conversation_host import HostHealth
from konstruct.database.hosting import shards_of


class Mapping:
    """The hosting row, and what `hosting` asks of a database."""

    def __init__(self, hosts: int = 0, wanted: int = 0) -> None:
        self.row = {"generation": 1, "hosts": hosts, "wanted_hosts": wanted}

    async def run(self, query: str, /, **arguments: Any) -> Any:
        if query == "hosting":
            return dict(self.row)
        assert query == "set_hosts"
        self.row["generation"] += 1
        self.row["hosts"] = arguments["hosts"]
        return self.row["generation"]


class PlainHosts:
    """Hosts by number; `silent` ones do not answer, `journal` keeps what was asked of whom."""

    def __init__(self, mapping: Mapping, version: str = "v1") -> None:
        self.mapping = mapping
        self.version = version
        self.alive: dict[int, tuple[str, set[int]]] = {}
        self.silent: set[int] = set()
        self.failing: set[int] = set()
        self.journal: list[tuple[str, int]] = []
        self.stopping = 0
        self.most_stopping = 0
        self.drain: asyncio.Event | None = None  # what draining waits for

    async def ensure(self, number: int) -> HostHealth:
        self.journal.append(("ensure", number))
        await asyncio.sleep(0)
        if number in self.failing:
            raise RuntimeError("no room for another actor")
        self.silent.discard(number)
        if number not in self.alive:
            self.alive[number] = (self.version, set(shards_of(number, self.mapping.row["hosts"])))
        return self._health(number)

    async def check_health(self, number: int) -> HostHealth | None:
        await asyncio.sleep(0)
        return None if number in self.silent or number not in self.alive else self._health(number)

    async def call(self, number: int, method: str, *arguments: object, seconds: float) -> object:
        self.journal.append((method, number))
        if number in self.silent or number not in self.alive:
            raise TimeoutError
        version, shards = self.alive[number]
        if method == "stop":
            self.stopping += 1
            self.most_stopping = max(self.most_stopping, self.stopping)
            await (self.drain.wait() if self.drain else asyncio.sleep(0.01))
            self.stopping -= 1
            shards.clear()
        else:
            mine = set(shards_of(number, cast("int", arguments[0])))
            self.alive[number] = (version, shards & mine if method == "make_room" else shards | mine)
        return None

    def kill(self, number: int) -> None:
        self.journal.append(("kill", number))
        self.alive.pop(number, None)

    def _health(self, number: int) -> HostHealth:
        version, shards = self.alive[number]
        return HostHealth(number, version, 1000 + number, len(shards), 0, 0)

    def asked(self, method: str) -> list[int]:
        return [number for what, number in self.journal if what == method]

"""Ends processes with kill -9: hosts at random moments, hosts and ingress at failpoints."""

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
import psutil

from konstruct.failpoints import NAMES
from tests.bench.inbox import Inbox
from tests.bench.installed import Installed

HOSTS = 2
REACHED_SECONDS = 60.0
RECOVERED_SECONDS = 90.0
LOOK_SECONDS = 0.02
INGRESS_SHARE = 0.06


@dataclass
class Killing:
    """`takeovers`: seconds from the kill of a host to the first new commit in its shards."""

    installed: Installed
    inbox: Inbox
    takeovers: list[float] = field(default_factory=list)
    kills: dict[str, int] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    spent: dict[str, list[float]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Kills so far."""
        return sum(self.kills.values())

    async def run(self, kills: int) -> None:
        """A third at the hosts' failpoints, a few at the ingress' two, the others at random, two at a time."""
        plan = [name for name in NAMES if not name.endswith("c1")] * max(1, kills // 3 // 5)
        plan += ["before_c1", "after_c1"] * max(1, round(kills * INGRESS_SHARE / 2))
        random.shuffle(plan)
        for name in plan:
            begun = time.monotonic()
            await self.at_failpoint(name)
            self._spend(name, begun)
        each = max(1, -(-(kills - self.count) // HOSTS))
        await asyncio.gather(*(self._at_random(host, each) for host in range(HOSTS)))

    async def at_failpoint(self, name: str) -> None:
        """Arm it, wait until somebody dies of it, wait until everything from before is answered."""
        await self._spare()
        path = self.installed.layout.home / "failpoints" / name
        path.touch()
        deadline = time.monotonic() + REACHED_SECONDS
        while path.exists():
            if time.monotonic() > deadline:
                path.unlink(missing_ok=True)
                self.missed.append(f"nobody reached {name}")
                return
            await asyncio.sleep(LOOK_SECONDS)
        self._note(name)
        died = time.time()
        await asyncio.gather(*(self._recover(host, died) for host in range(HOSTS)))

    async def _at_random(self, host: int, kills: int) -> None:
        for _ in range(kills):
            begun = time.monotonic()
            pid = await self._pid(host)
            await asyncio.sleep(random.uniform(0.0, 1.0))
            await self._spare()
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            died = time.time()
            self._note("at random")
            await self._first_commit(host, died)
            await self._recover(host, died)
            self._spend("at random", begun)

    async def _spare(self) -> None:
        """Nobody is killed over one message three times, whatever kept it from being answered after two."""
        begun = time.monotonic()
        while await self.inbox.endangered():
            if time.monotonic() - begun > RECOVERED_SECONDS:
                self.missed.append("a message that met two crashes was not answered")
                return
            await asyncio.sleep(0.05)

    def _spend(self, place: str, begun: float) -> None:
        """What a kill costs the run until the next may follow."""
        self.spent.setdefault(place, []).append(time.monotonic() - begun)
        print(f"    {place}: {self.spent[place][-1]:.1f} s", flush=True)

    def _note(self, place: str) -> None:
        self.kills[place] = self.kills.get(place, 0) + 1

    async def _first_commit(self, host: int, died: float) -> None:
        while time.time() - died < RECOVERED_SECONDS:
            when = await self.inbox.first_commit(host, HOSTS, died)
            if when is not None:
                self.takeovers.append(when - died)
                return
            await asyncio.sleep(LOOK_SECONDS)
        self.missed.append(f"no new commit of host {host} within {RECOVERED_SECONDS:.0f} s")

    async def _recover(self, host: int, died: float) -> None:
        # A message that meets a third crash is a dead letter by design: nobody dies twice over one message.
        while await self.inbox.left_of(host, HOSTS, died):
            if time.time() - died > RECOVERED_SECONDS:
                self.missed.append(f"messages of host {host} were left after {RECOVERED_SECONDS:.0f} s")
                return
            await asyncio.sleep(0.05)

    async def _pid(self, host: int) -> int:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, ValueError):
                for one in (await self.installed.ready())["hosts"]:
                    if one["host"] == host and _lives(one["pid"]):
                        return int(one["pid"])
            await asyncio.sleep(0.1)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

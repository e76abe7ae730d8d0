"""Hosts as processes that can be killed and stopped, beside the rig's webhooks and simulators."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.checker import Verdict, check, in_order, text_of
from tests.rig import Rig

CHECKOUT = Path(__file__).resolve().parents[1]


class HostProcess:
    """One host process; `alive` until it was killed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Made by `host_process`."""
        self.process = process

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.returncode is None

    def send(self, what: signal.Signals) -> None:
        """Send a signal, if there is anybody to get it."""
        with suppress(ProcessLookupError):
            self.process.send_signal(what)


async def start_host(k: Rig, mutant: str = "", number: int = 0, hosts: int = 1) -> HostProcess:
    """Start a host and wait until it owns its shards."""
    settings = k.settings
    environment = os.environ | {
        "KONSTRUCT_HOME": str(settings.home),
        "KONSTRUCT_DATABASE_URL": settings.database_url or "",
        "KONSTRUCT_MASTER_KEYS": ",".join(settings.master_keys),
        "KONSTRUCT_SLACK_API_URL": k.slack.url,
        "KONSTRUCT_WHATSAPP_API_URL": settings.whatsapp_api_url,
        "KONSTRUCT_LOCAL_MODEL_URL": k.model.url,
        "KONSTRUCT_FAILPOINTS": "on",
        "KONSTRUCT_LOG_LEVEL": "error",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.host_process", str(number), str(hosts), mutant,
        stdout=asyncio.subprocess.PIPE, cwd=CHECKOUT, env=environment,
    )  # fmt: skip
    host = HostProcess(process)
    try:
        assert process.stdout is not None
        assert (await process.stdout.readline()).strip() == b"ready"
    except BaseException:  # also where the test ends while its last host is still on its way
        await end([host])
        raise
    return host


@asynccontextmanager
async def hosting(k: Rig, mutant: str = "") -> AsyncIterator[list[HostProcess]]:
    """Keep a host running: whenever it dies, start the next one. The list grows with each."""
    hosts = [await start_host(k, mutant)]

    async def keep() -> None:
        while True:
            await hosts[-1].process.wait()
            hosts.append(await start_host(k, mutant))

    keeper = asyncio.create_task(keep())
    try:
        yield hosts
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await end(hosts)


def ended(hosts: list[HostProcess]) -> int:
    """How many do not run any more; the next one of the last may be on its way."""
    return sum(not host.alive for host in hosts)


async def end(hosts: list[HostProcess]) -> None:
    """Kill what is left."""
    for host in hosts:
        if host.alive:
            host.send(signal.SIGKILL)
        await host.process.wait()


class Load:
    """People who talk, each in a channel of their own, one message after the other."""

    def __init__(self, k: Rig) -> None:
        """`said`: channel -> acknowledged message numbers, in order."""
        self._k = k
        self._next = 0
        self.said: dict[str, list[int]] = {}

    async def say(self, channel: str, copies: int = 1) -> None:
        """Say the next message; it counts as acknowledged when the webhook answered 200."""
        self._next += 1
        number = self._next
        said = await self._k.slack.say(text_of(number), channel=channel, user=f"U{channel}", copies=copies)
        if said.status == 200:
            self.said.setdefault(channel, []).append(number)

    async def talk(self, channel: str, messages: int, pause: float) -> None:
        """Say several messages with pauses."""
        for _ in range(messages):
            await self.say(channel)
            await asyncio.sleep(pause)

    async def say_into(self, failpoint: str, timeout: float = 30.0) -> None:
        """Two people speak, and the failpoint ends whichever host reaches it first.

        What was said before is answered first: a message that meets three crashes becomes a dead letter.
        """
        await self.answered(timeout)
        armed = self._k.settings.home / "failpoints" / failpoint
        armed.touch()
        await self.say("D0ALICE")
        await self.say("D0BOB")
        async with asyncio.timeout(timeout):
            while armed.exists():
                await asyncio.sleep(0.02)

    async def verdict(self, timeout: float = 60.0) -> Verdict:
        """Wait until everything acknowledged is answered or the time is up, let doubles show, then judge."""
        with suppress(TimeoutError):
            await self.answered(timeout)
        await asyncio.sleep(1.0)
        return await self._check()

    async def answered(self, timeout: float) -> None:
        """Wait until everything acknowledged is answered; raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while (await self._check()).lost:
                await asyncio.sleep(0.1)

    async def _check(self) -> Verdict:
        return check(
            {channel: in_order(said) for channel, said in self.said.items()},
            {channel: await self._k.texts(channel) for channel in self.said},
        )

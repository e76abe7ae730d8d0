"""Hosts as Ray's named actors, and how the others reach them."""

import asyncio
import gc
import os
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import ray
import structlog
from ray.exceptions import RayActorError, RayError

from actors import LOADED
from actors.conversation_host import HostHealth
from actors.embedder_line import EmbedderLine
from actors.memory_job import Question, Vectors
from actors.ray_metrics import RayMetrics
from actors.wiring import HostParts, build_host
from konstruct import logs
from konstruct.database import hosting
from konstruct.database.lookups import any_hosted_model
from konstruct.line import Line, LineDown, listen
from konstruct.messages import Heard
from konstruct.models.hosted import HostedModel
from konstruct.parcel import packed, unpacked
from konstruct.priority import ANSWERING, give_way
from konstruct.settings import Settings

NAMESPACE = "konstruct"
CALL_SECONDS = 2.0
START_SECONDS = 60.0

log = structlog.get_logger()


class HostActor:
    """A ConversationHost in a process of its own; starts with the first call after every (re)start."""

    def __init__(self, number: int) -> None:
        """Light, because Ray runs it outside the event loop."""
        self._number = number
        self._settings = Settings.from_environment()
        self._metrics = RayMetrics()
        self._starting: asyncio.Task[HostParts] | None = None
        self._started: HostParts | None = None
        self._line: asyncio.Server | None = None
        logs.configure(self._settings.log_level)

    async def check_health(self) -> HostHealth:
        """Start if need be, then say how it stands."""
        host = (await self._parts()).host
        return HostHealth(self._number, self._settings.version_hash, os.getpid(), host.shards, host.loaded, host.busy)

    async def wake(self, parcel: bytes) -> None:
        """Durable messages for this host, packed."""
        (await self._parts()).host.wake(unpacked(parcel))

    async def adopt(self, hosts: int) -> None:
        """See ConversationHost.adopt."""
        await (await self._parts()).host.adopt(hosts)

    async def make_room(self, hosts: int) -> None:
        """See ConversationHost.make_room."""
        await (await self._parts()).host.make_room(hosts)

    async def stop(self) -> None:
        """Drain; the process may be ended afterwards."""
        parts = await self._parts()
        if self._line is not None:
            self._line.close()
        await parts.stop()

    async def _parts(self) -> HostParts:
        if self._started is not None:
            return self._started
        if self._starting is None or (self._starting.done() and self._starting.exception() is not None):
            self._starting = asyncio.create_task(self._start())
        self._started = await asyncio.shield(self._starting)
        return self._started

    async def _start(self) -> HostParts:
        give_way(ANSWERING)
        # Reached beside the start: a successor's first turns must not wait for it, and most need it not.
        embedder = RemoteEmbedder(self._settings.home)
        embedder.reach()
        parts = await build_host(self._settings, self._number, embedder.embed, self._metrics)
        try:
            await parts.database.check_health()
            hosted = await any_hosted_model(parts.database)
            hosts = (await hosting.read(parts.database)).hosts
            await parts.host.start(hosts, there=timedelta(seconds=time.monotonic() - LOADED))
        except BaseException:
            # The next call tries again, with connections of its own.
            await parts.close()
            raise
        try:
            self._line = await listen(
                self._settings.home, _name(self._number), lambda parcel: parts.host.wake(unpacked(parcel))
            )
        except OSError as error:
            log.warning("no line to this host, Ray carries its wakes", host=self._number, reason=str(error))
        if hosted:
            # Beside the first turns: with LiteLLM loaded before anybody needs it, no contact waits for it.
            self._warming = asyncio.create_task(HostedModel("", "", None, None).start())
        # What is loaded now stays: no collection needs to look at it again.
        gc.freeze()
        log.info("host started", host=self._number, shards=parts.host.shards)
        return parts


class RemoteEmbedder:
    """The shared embedder, as a host reaches it: by a line on the same machine, through Serve elsewhere."""

    def __init__(self, home: Path) -> None:
        """Call `reach` in the event loop. `home`: the installation's folder."""
        self._line = EmbedderLine(home)
        self._reaching: asyncio.Task[Any] | None = None

    def reach(self) -> asyncio.Task[Any]:
        """Find it, unless that is done or on its way."""
        if self._reaching is None or (self._reaching.done() and self._reaching.exception() is not None):
            self._reaching = asyncio.create_task(asyncio.to_thread(_embedder))
        return self._reaching

    async def embed(self, questions: Sequence[Question]) -> Vectors:
        """One vector per question; raises whatever Serve raises."""
        try:
            return await self._line.embed(questions)
        except LineDown:
            log.debug("no line to the embedder")
        embedder = await asyncio.shield(self.reach())
        vectors: Vectors = await embedder.embed.remote([text for _, text in questions])
        return vectors


def _embedder() -> Any:
    from ray import serve  # noqa: PLC0415 - half a second that only a host needs

    return serve.get_deployment_handle("Embedder", app_name="konstruct")


class RayHosts:
    """The hosts, as the Supervisor and the ingress reach them: by name."""

    def __init__(self, home: Path) -> None:
        """Nothing is created here. `home`: the installation's folder, where hosts of this machine listen."""
        self._known: dict[int, Any] = {}
        self._wakes: dict[int, Any] = {}
        self._lines: dict[int, Line] = {}
        self._home = home

    def forget(self) -> None:
        """Drop known handles: an actor of the same name may be another one now."""
        self._known.clear()
        self._wakes.clear()

    def wake_later(self, number: int, messages: Sequence[Heard]) -> None:
        """Fire and forget; what is lost, the host's sweep finds."""
        parcel = packed(messages)
        if number not in self._lines:
            self._lines[number] = Line(self._home, _name(number))
        if self._lines[number].tell(parcel):
            return
        try:
            if number not in self._wakes:
                # Ray's record of every task would cost as much again.
                self._wakes[number] = self._actor(number).wake.options(num_returns=0, enable_task_events=False)
            self._wakes[number].remote(parcel)
        except (RayActorError, ValueError) as error:
            self._forget(number)
            log.info("host not woken", host=number, reason=str(error))

    async def ensure(self, number: int, seconds: float = START_SECONDS) -> HostHealth:
        """Create the host if there is none of its name, and wait until it owns its shards."""
        self._known[number] = (
            ray.remote(HostActor)
            .options(
                name=_name(number),
                namespace=NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                max_restarts=-1,
                max_task_retries=0,
                num_cpus=0.1,
                max_concurrency=10_000,
            )
            .remote(number)
        )
        health: HostHealth = await self.call(number, "check_health", seconds=seconds)
        return health

    async def check_health(self, number: int) -> HostHealth | None:
        """How the host stands; None if it does not answer in time, or cannot say."""
        try:
            health: HostHealth = await self.call(number, "check_health", seconds=CALL_SECONDS)
        except (RayActorError, TimeoutError, ValueError):
            self._forget(number)
            return None
        except RayError as error:
            log.warning("host does not start", host=number, reason=" ".join(str(error).splitlines()[-1:]))
            self._forget(number)
            return None
        return health

    async def call(self, number: int, method: str, *arguments: object, seconds: float) -> Any:
        """Call a host; raises RayActorError, ValueError (no such actor) or TimeoutError."""
        async with asyncio.timeout(seconds):
            return await getattr(self._actor(number), method).remote(*arguments)

    def kill(self, number: int) -> None:
        """End the host's process, if there is one, and free its name."""
        try:
            ray.kill(ray.get_actor(_name(number), namespace=NAMESPACE), no_restart=True)
        except ValueError:
            log.info("host was gone already", host=number)
        self._forget(number)

    def _forget(self, number: int) -> None:
        self._known.pop(number, None)
        self._wakes.pop(number, None)

    def _actor(self, number: int) -> Any:
        if number not in self._known:
            self._known[number] = ray.get_actor(_name(number), namespace=NAMESPACE)
        return self._known[number]


def _name(number: int) -> str:
    return f"conversations-{number}"

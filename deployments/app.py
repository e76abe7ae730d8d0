"""The composition root: the Serve application `konstruct` and how its parts find each other."""

import asyncio
import gc
import os
from collections.abc import Sequence
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field
from ray import serve

from actors.embedder import Embedder
from actors.embedder_line import EmbedderDesk, EmbedderLine
from actors.ray_metrics import RayMetrics
from actors.wiring import failpoint_for
from actors.wrap import RayHosts
from deployments.ingress import routes
from deployments.night_watch import NightWatch
from deployments.readiness import Readiness
from deployments.router import Router
from deployments.served_auditor import ServedAuditor
from deployments.served_biller import ServedBiller
from deployments.socket_mode import socket_mode
from deployments.supervisor import Supervisor
from deployments.webhooks import Intake
from konstruct import logs
from konstruct.database.pool import Database
from konstruct.directory import Directory
from konstruct.embedding import encoder_for
from konstruct.errors import DatabaseUnavailable
from konstruct.priority import ANSWERING, give_way
from konstruct.settings import Settings
from konstruct.vault import Vault

EMBED_BATCH = 32
# Objects that the ingress makes between two collections (gc.set_threshold): of those of a request hardly one stays.
COLLECT_AFTER = (5000, 20, 20)

log = structlog.get_logger()


class AppArgs(BaseModel):
    """`args` of the application in serve.yaml."""

    model_config = ConfigDict(extra="forbid")

    ingress_replicas: int = Field(1, ge=1)
    embedder_replicas: int = Field(1, ge=1)
    embedding_device: str = "cpu"
    embedder_gpus: float = Field(0, ge=0)
    socket_mode: bool = True


class ServedEmbedder:
    """The shared Embedder; on a GPU concurrent callers share a batch."""

    def __init__(self, device: str, *, alone: bool = True) -> None:
        """`device`: "cpu" or what torch calls a GPU; `alone`: no other replica, so that no load must be balanced."""
        settings = Settings.from_environment()
        logs.configure(settings.log_level)
        give_way(ANSWERING)
        # A CPU encodes one text after the other: there, a question must not wait for a batch of memories.
        self._batches = device != "cpu"
        self._embedder = Embedder(encoder_for(device, settings.home), EMBED_BATCH if self._batches else 1)
        self._loading: asyncio.Task[None] | None = None
        desk = EmbedderDesk(self.embed)
        self._listening = asyncio.get_running_loop().create_task(desk.listen(settings.home)) if alone else None

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._embedder.start())
        await asyncio.shield(self._loading)
        return await (self._batched(texts) if self._batches else self._embedder.embed(texts))

    @serve.batch(max_batch_size=EMBED_BATCH, batch_wait_timeout_s=0.0)
    async def _batched(self, requests: list[Sequence[str]]) -> list[list[list[float]]]:
        vectors = iter(await self._embedder.embed([text for texts in requests for text in texts]))
        return [[next(vectors) for _ in texts] for texts in requests]


class ServedSupervisor:
    """The Supervisor, kept alive by Serve's controller."""

    def __init__(self) -> None:
        """Begin to supervise with the event loop."""
        self._settings = settings = Settings.from_environment()
        logs.configure(settings.log_level)
        self._database = Database(settings.database_url or "", 2)
        self._supervisor = Supervisor(
            self._database, RayHosts(settings.home), settings.version_hash, settings.conversation_hosts, RayMetrics()
        )
        self._watch = NightWatch(self._database, _check_isolation, RayMetrics())
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        await self._database.start()
        await asyncio.gather(self._supervisor.run(), self._watch.run())

    async def health(self) -> list[dict[str, Any]]:
        """The hosts' health, for `konstruct status`."""
        return [
            {"host": h.host, "version": h.version, "pid": h.pid, "shards": h.shards,
             "conversations": h.conversations, "busy": h.busy}
            for h in self._supervisor.health.values()
        ]  # fmt: skip

    def check_health(self) -> None:
        """Serve replaces the replica when supervision has ended."""
        if self._task.done():
            raise RuntimeError("Supervision has ended.")


class ServedSocketMode:
    """Slack's Socket Mode, for tenants that ask for it."""

    def __init__(self) -> None:
        """Begin to follow what tenants ask for with the event loop."""
        settings = Settings.from_environment()
        logs.configure(settings.log_level)
        self._database = Database(settings.database_url or "", 2)
        self._router = Router(self._database, RayHosts(settings.home))
        intake = _intake(settings, self._database, self._router)
        self._mode = socket_mode(settings, self._database, intake)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        await self._database.start()
        self._router.start()
        await self._mode.run()

    def check_health(self) -> None:
        """Serve replaces the replica when nobody follows any more."""
        if self._task.done():
            raise RuntimeError("Socket Mode has ended.")


class ServedIngress:
    """The HTTP ingress: webhooks, health and readiness."""

    def __init__(
        self,
        supervisor: serve.handle.DeploymentHandle,
        embedder: serve.handle.DeploymentHandle,
        *_beside: serve.handle.DeploymentHandle,
    ) -> None:
        """Build everything; connections open with the event loop. What is only named here runs beside it."""
        settings = Settings.from_environment()
        logs.configure(settings.log_level)
        self._database = Database(settings.database_url or "", settings.database_connections)
        self._router = Router(self._database, RayHosts(settings.home))
        intake = _intake(settings, self._database, self._router)
        directory = Directory(self._database, Vault(settings.master_keys))
        readiness = Readiness(settings, self._database, supervisor, embedder)
        self._routes = routes(intake, directory, readiness, settings, self._database)

    async def __serve_build_asgi_app__(self) -> Any:
        """Serve's hook: open what needs the event loop, then hand out the application."""
        await self._database.start()
        try:
            await self._database.check_health()
        except DatabaseUnavailable as error:
            log.warning("started without the database", reason=str(error))
        self._router.start()
        # What is loaded now stays: a collection that looked at it would hold up every acknowledgement meanwhile.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        return self._routes


def _intake(settings: Settings, database: Database, router: Router) -> Intake:
    foretell = EmbedderLine(settings.home).foretell
    return Intake(database, router.wake, RayMetrics(), failpoint_for(settings), foretell)


def _check_isolation() -> tuple[int, list[str]]:
    from deployments.isolation.nightly import check_stored  # noqa: PLC0415 - once a night
    from deployments.isolation.trial import holes  # noqa: PLC0415

    trials = check_stored(os.environ)
    return len(trials), holes(trials)


def build(args: dict[str, Any]) -> serve.Application:
    """Serve's builder."""
    asked = AppArgs(**args)
    supervisor = serve.deployment(
        ServedSupervisor, name="Supervisor", num_replicas=1, ray_actor_options={"num_cpus": 0.1},
        health_check_period_s=5,
    ).bind()  # fmt: skip
    embedder = serve.deployment(
        ServedEmbedder, name="Embedder", num_replicas=asked.embedder_replicas, max_ongoing_requests=200,
        ray_actor_options={"num_cpus": 0.2, "num_gpus": asked.embedder_gpus},
    ).bind(asked.embedding_device, alone=asked.embedder_replicas == 1)  # fmt: skip
    ingress = serve.deployment(
        serve.ingress()(ServedIngress), name="Ingress", num_replicas=asked.ingress_replicas,
        max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.2},
    )  # fmt: skip
    auditor = serve.deployment(
        ServedAuditor, name="Auditor", num_replicas=1, ray_actor_options={"num_cpus": 0.05}, health_check_period_s=5,
    ).bind()  # fmt: skip
    beside = [auditor]
    if Settings.from_environment().stripe_secret_key is not None:
        beside.append(serve.deployment(
            ServedBiller, name="Biller", num_replicas=1, ray_actor_options={"num_cpus": 0.05}, health_check_period_s=5,
        ).bind())  # fmt: skip
    if not asked.socket_mode:
        return ingress.bind(supervisor, embedder, *beside)
    sockets = serve.deployment(
        ServedSocketMode, name="SocketMode", num_replicas=1, ray_actor_options={"num_cpus": 0.05},
        health_check_period_s=5,
    ).bind()  # fmt: skip
    return ingress.bind(supervisor, embedder, *beside, sockets)

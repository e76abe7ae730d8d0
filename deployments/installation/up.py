"""`konstruct up`: from whatever is there now to an installation that runs this code with these settings."""

import asyncio
import fcntl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

from rich.markup import escape

from deployments.installation import (
    demo,
    keys,
    master_keys,
    ports,
    postgres,
    processes,
    ray_head,
    running,
    serve_apps,
    weights,
)
from deployments.installation.environment import konstruct_environment, process_environment
from deployments.installation.layout import Layout
from deployments.installation.running import Running
from deployments.installation.steps import Steps
from deployments.installation.unproxied import OPENER
from deployments.installation.version import version_hash
from konstruct.database import migrate
from konstruct.errors import KonstructError
from konstruct.media.store import open_store
from konstruct.price_list import PriceList
from konstruct.settings import Settings, split
from konstruct.vault import Vault

APP_SECONDS = 120
MODEL_SECONDS = 600
WEBHOOK_SECONDS = 30
ADDRESS = ("KONSTRUCT_HTTP_HOST", "KONSTRUCT_HTTP_PORT", "KONSTRUCT_DASHBOARD_PORT")


class NotBegun(KonstructError):
    """`up` has started nothing."""


class PortTaken(NotBegun):
    """A port that the installation needs belongs to another program."""


class NotReachable(KonstructError):
    """The installation does not answer on its own port."""


class AlreadyStarting(NotBegun):
    """Another `konstruct up` works on this installation; wait for it, or end it."""


class AddressInUse(NotBegun):
    """What runs listens elsewhere than the settings say, and keeps its address until it ends."""


def up(given: Mapping[str, str], steps: Steps, *, wait_for_model: bool = True) -> Running:
    """Start, or bring up to date, the installation that `given` (an environment) describes.

    Answers what runs once webhooks are accepted and, if asked, the local model answers.
    """
    layout = running.layout_of(given)
    if not layout.home.exists():  # nothing runs there: what cannot be begun leaves nothing behind
        Settings.from_environment(given)
    layout.home.mkdir(parents=True, exist_ok=True)
    with _alone(layout):
        alive = _alive(layout)
        given = given if alive is None else _where_it_listens(alive, given)
        settings = Settings.from_environment(given)
        keys.prepare(layout, with_master_keys=not settings.master_keys)
        # What is malformed must not be found out of by hosts that take the place of good ones.
        Vault(settings.master_keys or split(keys.own(layout)))
        PriceList.read(settings.prices_file)
        open_store(settings)
        if alive is None:
            _clear(layout, settings, steps)
        else:
            check_address(alive, _http_host(given), settings)
        wanted = _start(given, settings, layout, steps, alive=alive is not None)
        with steps.step("Stored secrets") as tell:
            kept, locked = asyncio.run(master_keys.locked(wanted.environment))
            tell(f"all {kept} open" if not locked else "not all of them open")
        if locked:
            steps.say(f"  [yellow]{escape(locked)}[/]")
        _deploy(layout, wanted, steps, wait_for_model=wait_for_model)
    return wanted


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    with (layout.home / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyStarting from None
        yield


def _alive(layout: Layout) -> Running | None:
    before = running.recall(layout)
    if before is None or not processes.find(layout):
        return None
    try:
        running.serve(layout, before.dashboard_port).applications()
    except KonstructError:
        return None
    return before


def _where_it_listens(alive: Running, given: Mapping[str, str]) -> Mapping[str, str]:
    """What is not given is no wish for the default: it stays as it is."""
    kept = {name: alive.environment[name] for name in ADDRESS if name in alive.environment and not given.get(name)}
    return {**given, **kept}


def check_address(alive: Running, http_host: str, settings: Settings) -> None:
    """Raise AddressInUse where other settings ask for another address: Ray keeps the one that it started with."""
    asked = {
        "KONSTRUCT_HTTP_HOST": (alive.http_host, http_host),
        "KONSTRUCT_HTTP_PORT": (alive.http_port, settings.http_port),
        "KONSTRUCT_DASHBOARD_PORT": (alive.dashboard_port, settings.dashboard_port),
    }
    for variable, (now, wanted) in asked.items():
        if now != wanted:
            raise AddressInUse(
                f"Konstruct runs with {variable}={now}, which cannot become {wanted} while it runs: "
                "`konstruct down` first, then `konstruct up`."
            )


def _http_host(given: Mapping[str, str]) -> str:
    return given.get("KONSTRUCT_HTTP_HOST") or "127.0.0.1"


def _clear(layout: Layout, settings: Settings, steps: Steps) -> None:
    if processes.find(layout):
        with steps.step("End what an unclean stop left") as tell:
            count = processes.end_all(layout, patience=3, spare=postgres.tree(layout.pgdata))
            tell(processes.counted(count))
    running.forget(layout)
    ray_head.clear(layout)
    for port, variable in ports.asked_for(settings).items():
        if not ports.is_free(port):
            owner = processes.describe(processes.owner_of(port))
            raise PortTaken(f"Port {port} is taken by {owner}; stop it, or set {variable} to another port.")


def _start(given: Mapping[str, str], settings: Settings, layout: Layout, steps: Steps, *, alive: bool) -> Running:
    """Everything below Serve; the slow ones at the same time."""
    chosen = ports.recall(layout.ports_file) if alive else None
    if chosen is None:
        chosen = ports.choose(layout.ports_file, ports.asked_for(settings))
    outer = process_environment(layout, chosen, given)
    preparing = weights.launch(layout, outer, local_model=settings.local_model)
    head = None if alive else ray_head.launch(layout, chosen, settings.dashboard_port, outer)
    database_url = settings.database_url
    if database_url is None:
        with steps.step("PostgreSQL") as tell:
            database_url = postgres.start(layout.pgdata)
            tell("embedded, Unix socket only")
    with steps.step("Schema") as tell:
        applied = migrate.apply(database_url)
        tell(f"{len(applied)} migrations applied" if applied else "up to date")
    ours = konstruct_environment(settings, layout, given, database_url=database_url, version=version_hash())
    with steps.step("Model weights") as tell:
        weights.wait(preparing, tell)
    if head is not None:
        with steps.step("Ray"):
            ray_head.wait(head, layout)
    return Running(
        environment=ours,
        http_host=_http_host(given),
        http_port=settings.http_port,
        dashboard_port=settings.dashboard_port,
        local_model=settings.local_model,
        serve_config=ours.get("KONSTRUCT_SERVE_CONFIG"),
    )


def _deploy(layout: Layout, wanted: Running, steps: Steps, *, wait_for_model: bool) -> None:
    serve = running.serve(layout, wanted.dashboard_port)
    before = running.recall(layout)
    if before == wanted and all(app["status"] == "RUNNING" for app in serve.applications().values()):
        steps.say(f"  [bold]Already running[/] with this code and these settings (version {wanted.version}).")
    else:
        _declare(serve, layout, wanted, steps, first=before is None)
    with steps.step("Webhooks"):
        _wait_for_webhooks(wanted.http_port)
    if wanted.local_model:
        with steps.step("Demo tenant acme") as tell:
            tell(demo.apply(layout, wanted.environment))
    steps.say(f"  [bold]Ready for webhooks[/] after {steps.elapsed:.0f} s: http://127.0.0.1:{wanted.http_port}")
    if wanted.local_model:
        serve.ensure(_configuration(wanted), serve_apps.MODELS)
        if wait_for_model:
            with steps.step("Local model (vLLM)") as tell:
                serve.wait(serve_apps.MODELS, MODEL_SECONDS, tell)
                tell("")


def _declare(serve: serve_apps.Serve, layout: Layout, wanted: Running, steps: Steps, *, first: bool) -> None:
    config = _configuration(wanted)
    with steps.step("Konstruct on Ray Serve") as tell:
        # The model takes both cores of a laptop while it loads: at the first start webhooks come first.
        serve.deploy(serve_apps.without(config, serve_apps.MODELS) if first else config)
        running.remember(layout, wanted)
        serve.wait(serve_apps.KONSTRUCT, APP_SECONDS, tell)
        tell("")


def _configuration(wanted: Running) -> dict[str, Any]:
    return serve_apps.configuration(
        host=wanted.http_host,
        port=wanted.http_port,
        environment=wanted.environment,
        local_model=wanted.local_model,
        chosen=wanted.serve_config,
    )


def _wait_for_webhooks(port: int) -> None:
    """HAProxy learns of the replicas a moment after Serve calls the application running."""
    deadline = time.monotonic() + WEBHOOK_SECONDS
    while time.monotonic() < deadline:
        try:
            with OPENER.open(f"http://127.0.0.1:{port}/healthz", timeout=2):
                return
        except (OSError, HTTPException):
            time.sleep(0.1)
    url = f"http://127.0.0.1:{port}/healthz"
    raise NotReachable(f"Serve runs, but {url} does not answer; run `konstruct doctor`.")

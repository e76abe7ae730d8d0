"""What the whole installation costs while nobody speaks, beside a bare Ray + Serve + HAProxy."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deployments.installation import keys, ports, processes, ray_head, running, serve_apps
from deployments.installation.environment import process_environment, python_path
from deployments.installation.layout import Layout
from tests.bench import place
from tests.bench.asked import Asked
from tests.bench.consumption import Meter, meter, proportional_bytes
from tests.bench.figure import Figure, at_most
from tests.bench.inbox import Inbox
from tests.bench.installed import ECHO, Installed, environment
from tests.bench.percentile import median

GIB = 1024**3
REST_SECONDS = 20


async def measure(asked: Asked, installed: Installed, inbox: Inbox) -> list[Figure]:
    """Both idle at the same time, for several spans."""
    await inbox.settled()
    async with _bare(asked.home / "bare") as bare:
        await asyncio.sleep(asked.scaled(REST_SECONDS, 5))
        ours, theirs = [], []
        for _ in range(asked.rounds):
            used, bare_used = meter(installed), Meter(lambda: processes.find(bare))
            used.start()
            bare_used.start()
            await asyncio.sleep(asked.scaled(20, 5))
            ours.append(_cores(used))
            theirs.append(_cores(bare_used))
        memory = proportional_bytes(installed.processes()) / GIB
        bare_memory = proportional_bytes(processes.find(bare)) / GIB
    against = "bare Ray + Serve + HAProxy, dashboard included"
    return [
        Figure(
            "idle CPU of the whole installation",
            median(ours),
            "cores",
            against,
            median(theirs),
            at_most(0.25),
        ),
        Figure("idle memory (PSS) of the whole installation", memory, "GiB", against, bare_memory, at_most(2.5)),
    ]


def _cores(used: Meter) -> float:
    cpu, seconds = used.stop()
    return cpu / seconds


@asynccontextmanager
async def _bare(home: Path) -> AsyncIterator[Layout]:
    """Ray, Serve and HAProxy as we start them, with nothing but the echo on them."""
    layout = Layout(home)
    given = environment(home, place.BARE_HTTP_PORT, place.BARE_DASHBOARD_PORT)
    await asyncio.to_thread(_end, layout)
    try:
        await asyncio.to_thread(_start, layout, given)
        yield layout
    finally:
        await asyncio.to_thread(_end, layout)


def _end(layout: Layout) -> None:
    processes.end_all(layout)
    shutil.rmtree(layout.ray, ignore_errors=True)


def _start(layout: Layout, given: dict[str, str]) -> None:
    layout.home.mkdir(parents=True, exist_ok=True)
    keys.prepare(layout)
    chosen = ports.choose(layout.ports_file)
    head = ray_head.launch(layout, chosen, place.BARE_DASHBOARD_PORT, process_environment(layout, chosen, given))
    ray_head.wait(head, layout)
    config = serve_apps.configuration(host="127.0.0.1", port=place.BARE_HTTP_PORT, environment={}, local_model=False)
    variables = {"PYTHONPATH": python_path(given), processes.MARK: layout.mark}
    config["applications"] = [ECHO | {"runtime_env": {"env_vars": variables}}]
    serve = running.serve(layout, place.BARE_DASHBOARD_PORT)
    serve.deploy(config)
    serve.wait("echo", 60, lambda _: None)

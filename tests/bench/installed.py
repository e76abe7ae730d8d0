"""The installation under test: the real `up` and `down`, in a folder and on ports of its own."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from deployments.installation import postgres, processes, running, serve_apps
from deployments.installation.layout import Layout
from deployments.installation.running import Running
from deployments.installation.tenants import apply_file
from konstruct.settings import Settings
from tests.bench import place
from tests.bench.child import CHECKOUT
from tests.readiness import until_ready

RELOAD_SECONDS = 4
LEAVING_SECONDS = 60  # Serve gives a replica half a minute for what is on its way to it
ECHO = {"name": "echo", "route_prefix": "/echo", "import_path": "tests.bench.echo:build", "args": {}}


@dataclass(frozen=True, slots=True)
class Installed:
    """A running installation with the benchmark's tenants, without the model application."""

    layout: Layout
    running: Running

    @property
    def url(self) -> str:
        """Its HTTP address."""
        return f"http://127.0.0.1:{self.running.http_port}"

    @property
    def settings(self) -> Settings:
        """What its actors read."""
        return Settings.from_environment(self.running.environment)

    def processes(self) -> list[psutil.Process]:
        """All of its processes, PostgreSQL's included."""
        ours = {process.pid: process for process in processes.find(self.layout)}
        return list((ours | {process.pid: process for process in postgres.tree(self.layout.pgdata)}).values())

    async def ready(self) -> dict[str, Any]:
        """What /readyz reports; raises aiohttp.ClientError or TimeoutError while it cannot."""
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{self.url}/readyz") as answer,
        ):
            return dict(await answer.json(content_type=None))

    def serve_echo(self, *, on: bool) -> None:
        """Let the bare echo run as one more application beside ours, or take it away again."""
        config = serve_apps.configuration(
            host="127.0.0.1",
            port=self.running.http_port,
            environment=self.running.environment,
            local_model=False,
        )
        if on:
            config["applications"].append(ECHO | {"runtime_env": config["applications"][0]["runtime_env"]})
        serve = running.serve(self.layout, self.running.dashboard_port)
        serve.deploy(config)
        if on:
            serve.wait("echo", 60, lambda _: None)
        else:
            deadline = time.monotonic() + LEAVING_SECONDS
            while "echo" in serve.applications() and time.monotonic() < deadline:
                time.sleep(0.5)
        # HAProxy is reloaded a moment later, and whoever has a connection through the old process loses it.
        time.sleep(RELOAD_SECONDS)


def environment(home: Path, http_port: int, dashboard_port: int, **more: str) -> dict[str, str]:
    """This process' environment with the settings of an installation in place of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KONSTRUCT_", "RAY_"))}
    return kept | {
        "KONSTRUCT_HOME": str(home),
        "KONSTRUCT_HTTP_PORT": str(http_port),
        "KONSTRUCT_DASHBOARD_PORT": str(dashboard_port),
        **{f"KONSTRUCT_{name}": value for name, value in more.items()},
    }


@asynccontextmanager
async def installation(home: Path, *, failpoints: bool = False) -> AsyncIterator[Installed]:
    """Up with an empty database, the local model being the stub; down at the end."""
    given = environment(
        home,
        place.HTTP_PORT,
        place.DASHBOARD_PORT,
        SLACK_API_URL=f"http://127.0.0.1:{place.SLACK_PORT}/api/",
        LOCAL_MODEL="off",
        LOCAL_MODEL_URL=place.MODEL_URL,
        FAILPOINTS="on" if failpoints else "off",
    )
    await konstruct("down", given)
    shutil.rmtree(Layout(home).pgdata, ignore_errors=True)
    shutil.rmtree(home / "failpoints", ignore_errors=True)
    (home / "failpoints").mkdir(parents=True)
    try:
        await konstruct("up", given)
        runs = running.recall(Layout(home))
        assert runs is not None
        for app in place.APPS:
            path = home / f"{app.tenant}.yaml"
            path.write_text(place.tenant_file(app))
            await apply_file(path, runs.environment)
        installed = Installed(Layout(home), runs)
        await until_ready(installed.url, 60)
        yield installed
    finally:
        await konstruct("down", given)


async def konstruct(command: str, given: Mapping[str, str]) -> None:
    """The real command in a process of its own; raises RuntimeError when it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deployments.cli", command, cwd=CHECKOUT, env=given, stdout=sys.stderr
    )
    if await process.wait():
        raise RuntimeError(f"`konstruct {command}` failed with status {process.returncode}.")

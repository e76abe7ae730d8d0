"""Ray on this machine: one head node, every server of it on loopback, without what nobody here uses."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import psutil

from deployments.installation import processes
from deployments.installation.layout import Layout
from deployments.installation.ports import Ports
from konstruct.errors import KonstructError
from konstruct.priority import TELLING, calm

START_SECONDS = 90
OBJECT_STORE_BYTES = 200 * 1024 * 1024
# Logical: replicas and hosts ask for fractions, and a laptop with two cores must hold them all.
LEAST_CPUS = 8
_DASHBOARD = ("ray::DashboardAgent", "ray-dashboard-", "ray/dashboard/")


class RayUnavailable(KonstructError):
    """Ray did not start."""


def launch(
    layout: Layout, ports: Ports, dashboard_port: int, environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    """Begin `ray start`; it ends by itself when the head stands (about 4 s). What it says goes to the log."""
    layout.ray.mkdir(mode=0o700)
    layout.haproxy_config.parent.mkdir(exist_ok=True)
    with layout.log.open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "ray.scripts.scripts", *_arguments(layout, ports, dashboard_port)],
            env=dict(environment),
            cwd=layout.home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait(process: "subprocess.Popen[bytes]", layout: Layout) -> None:
    """Until the head stands, its dashboard behind those who answer; raises RayUnavailable with Ray's own last words."""
    try:
        code = process.wait(START_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        code = -1
    if code:
        words = " ".join(layout.log.read_text(errors="replace").strip().splitlines()[-3:])
        raise RayUnavailable(f"Ray did not start: {words or 'it said nothing'} Its log is {layout.log}.")
    for started in processes.find(layout):
        if _is_dashboard(started):
            calm(started.pid, TELLING)


def clear(layout: Layout) -> None:
    """Nothing runs any more: Ray's folder goes, its logs stay with the installation until the next run has ended."""
    # Anybody may make a folder of this name in /tmp, with links in it to what is not theirs.
    if layout.logs.exists() and layout.ray.lstat().st_uid == os.getuid():
        shutil.rmtree(layout.last_logs, ignore_errors=True)
        shutil.move(layout.logs.resolve(), layout.last_logs)
        layout.last_logs.chmod(0o700)
    shutil.rmtree(layout.ray, ignore_errors=True)


def trim(ray_params: Any, _head: bool) -> None:  # noqa: FBT001 - Ray calls it so (RAY_START_HOOK)
    """Leave out two processes that nothing here uses: the Ray Client server and the cluster autoscaler."""
    ray_params.ray_client_server_port = None
    ray_params.no_monitor = True


def _is_dashboard(process: psutil.Process) -> bool:
    """Every ten seconds its agent takes a core for what it has been told of requests."""
    try:
        command = " ".join(process.cmdline()[:3])  # the raylet's, further on, says how to start the agent
    except psutil.Error:
        return False
    return any(name in command for name in _DASHBOARD)


def _arguments(layout: Layout, ports: Ports, dashboard_port: int) -> list[str]:
    options = {
        "node-ip-address": "127.0.0.1",
        "port": ports.gcs,
        "object-manager-port": ports.object_store,
        "node-manager-port": ports.node,
        "min-worker-port": 0,
        "max-worker-port": 0,
        "dashboard-host": "127.0.0.1",
        "dashboard-port": dashboard_port,
        "dashboard-agent-listen-port": ports.agent_http,
        "dashboard-agent-grpc-port": ports.agent_grpc,
        "runtime-env-agent-port": ports.runtime_env,
        "metrics-export-port": ports.metrics,
        "include-log-monitor": "False",
        "object-store-memory": OBJECT_STORE_BYTES,
        "num-cpus": max(os.cpu_count() or 1, LEAST_CPUS),
        "temp-dir": layout.ray,
    }
    given = [f"--{name}={value}" for name, value in options.items()]
    return ["start", "--head", "--disable-usage-stats", *given]

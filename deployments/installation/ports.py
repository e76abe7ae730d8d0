"""The ports of an installation: two are the operator's, the others are chosen once and remembered."""

import json
import random
import socket
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from konstruct.settings import Settings

# Below the range from which the kernel takes ports for outgoing connections, so that nobody is given ours.
_FIRST, _LAST = 20_000, 29_999
REPLICA_PORTS = 100


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports, all of them bound to loopback."""

    gcs: int
    object_store: int
    node: int
    agent_http: int
    agent_grpc: int
    runtime_env: int
    metrics: int
    haproxy_stats: int
    haproxy_metrics: int
    fallback_proxy: int
    replicas: int


def recall(path: Path) -> Ports | None:
    """The ports in use since the last `up`, None before the first."""
    try:
        return Ports(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def choose(path: Path, operators: Collection[int] = ()) -> Ports:
    """The remembered ports if all are free, otherwise new ones, remembered in `path`; never one of the operator's."""
    remembered = recall(path)
    if remembered and all(map(is_free, asdict(remembered).values())) and not _all(remembered) & set(operators):
        return remembered
    chosen = _pick(operators)
    path.write_text(json.dumps(asdict(chosen), indent=1))
    return chosen


def is_free(port: int) -> bool:
    """Whether a server could bind this port on every interface now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def asked_for(settings: Settings) -> dict[int, str]:
    """The operator's ports, with the variable that sets each."""
    return {settings.http_port: "KONSTRUCT_HTTP_PORT", settings.dashboard_port: "KONSTRUCT_DASHBOARD_PORT"}


def _all(ports: Ports) -> set[int]:
    return {*asdict(ports).values(), *range(ports.replicas, ports.replicas + REPLICA_PORTS)}


def _pick(operators: Collection[int]) -> Ports:
    names = list(Ports.__dataclass_fields__)
    while True:
        first = random.randrange(_FIRST, _LAST - REPLICA_PORTS - len(names))  # noqa: S311 - a port is no secret
        span = range(first, first + len(names) + REPLICA_PORTS)
        if not set(span) & set(operators) and all(map(is_free, span)):
            return Ports(**{name: first + offset for offset, name in enumerate(names)})

"""Methods for whom no bot token is needed: installing, and opening a socket."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.slack.oauth import OAuth
from simulator.slack.socket_mode import SocketMode


@dataclass(frozen=True, slots=True)
class Request:
    """One call: `token` and `authorization` as they came."""

    arguments: dict[str, Any]
    token: str
    authorization: str
    address: str
    oauth: OAuth
    sockets: SocketMode


def access(request: Request) -> dict[str, Any]:
    """oauth.v2.access: see OAuth."""
    return request.oauth.access(request.arguments, request.authorization)


def open_connection(request: Request) -> dict[str, Any]:
    """apps.connections.open: where to open one socket."""
    return {"url": request.sockets.open(request.token, request.address)}


def test(request: Request) -> dict[str, Any]:
    """api.test: says what was said."""
    return {"args": request.arguments}


BEFORE: Mapping[str, Callable[[Request], dict[str, Any]]] = {
    "api.test": test,
    "oauth.v2.access": access,
    "apps.connections.open": open_connection,
}

"""Runs first in every Python process of an installation: binds the gRPC servers of replicas to loopback.

Ray Serve 2.60 binds them to every interface (`[::]:0` in serve/_private/replica.py), unauthenticated, and has
no setting for it. See decisions/0002-loopback.md.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_TARGET = "ray._common.tls_utils"
_EVERYWHERE = ("[::]:", "0.0.0.0:")


class _Narrowing(MetaPathFinder):
    """Finds one module of Ray as usual, and wraps one function of it once it has loaded."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != _TARGET:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def load(module: ModuleType) -> None:
            execute(module)
            _narrow(module)

        spec.loader.exec_module = load  # type: ignore[method-assign]
        return spec


def _narrow(module: Any) -> None:
    bind = module.add_port_to_grpc_server

    def bind_to_loopback(server: Any, address: str) -> int:
        for everywhere in _EVERYWHERE:
            if address.startswith(everywhere):
                address = "127.0.0.1:" + address.removeprefix(everywhere)
        port: int = bind(server, address)
        return port

    module.add_port_to_grpc_server = bind_to_loopback


sys.meta_path.insert(0, _Narrowing())

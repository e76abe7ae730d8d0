"""Ports that stay a test's own while nobody listens on them: other tests run beside it, and take what is free."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held(port: int = 0) -> Iterator[int]:
    """This port, or a free one; it refuses connections until the test's own server listens there."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        yield holder.getsockname()[1]


def port_of(address: str) -> int:
    """Of a URL without a path."""
    return int(address.rpartition(":")[2])

"""Serving vendors until somebody says stop."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from simulator.vendor import Vendor


def serve(vendors: Sequence[Vendor], started: Callable[[], None]) -> None:
    """Serve all of them until Ctrl-C or SIGTERM; raises OSError where a port is taken."""
    _run(_serve(vendors, started))


async def _serve(vendors: Sequence[Vendor], started: Callable[[], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as running:
        for vendor in vendors:
            await running.enter_async_context(vendor)
        started()
        await stop.wait()


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop  # noqa: PLC0415 - faster where it is installed, not needed
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)

"""What strangers can make us compute: a body that names no channel of ours may be signed by any secret."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

Result = TypeVar("Result")

# Parsing more than this would hold up everybody's requests: a secret of ours must have signed it first.
BIG_BYTES = 256 * 1024
# Hashed for one request at most, in about half a second; a secret costs as much as SECRET_BYTES beside the body.
HASHED_BYTES = 512 * 1024 * 1024
SECRET_BYTES = 2048
# This much takes a millisecond, less than to hand it over.
SMALL_BYTES = 1024 * 1024

log = structlog.get_logger()


class Unproven:
    """Tries secrets beside the event loop, one request after the other."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        # A thread goes on when its request has ended: the next one's turn comes when the thread is free again.
        self._line = ThreadPoolExecutor(1, thread_name_prefix="unproven")

    async def check(self, body: bytes, secrets: Sequence[str], verify: Callable[[Sequence[str]], Result]) -> Result:
        """What `verify` says of as many secrets as may be tried on this body; raises SignatureRejected."""
        each = len(body) + SECRET_BYTES
        if each * len(secrets) <= SMALL_BYTES:
            return verify(secrets)
        most = HASHED_BYTES // each
        if len(secrets) > most:
            log.warning("not every secret tried", secrets=len(secrets), tried=most, bytes=len(body))
        return await asyncio.get_running_loop().run_in_executor(self._line, verify, secrets[:most])

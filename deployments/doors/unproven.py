"""What strangers can make us compute: a body that names no channel of ours may be signed by any secret."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from threading import Event
from typing import TypeVar

Result = TypeVar("Result")

# Parsing more than this would hold up everybody's requests: a secret of ours must have signed it first.
BIG_BYTES = 256 * 1024
# A secret costs as much as this beside the body.
SECRET_BYTES = 2048
# Hashing this much takes a millisecond, less than to hand it over.
SMALL_BYTES = 1024 * 1024


class Unproven:
    """Tries secrets beside the event loop, for one request after the other and no longer than that one waits."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        # A thread goes on when its request has ended: the next one's turn comes when the thread is free again.
        self._line = ThreadPoolExecutor(1, thread_name_prefix="unproven")

    async def check(self, body: bytes, secrets: Sequence[str], verify: Callable[[Iterable[str]], Result]) -> Result:
        """What `verify` says of the secrets, tried in this order; raises SignatureRejected only if all were tried.

        Whoever's deadline comes first may have signed with one of the others, and must be asked to come again.
        """
        if (len(body) + SECRET_BYTES) * len(secrets) <= SMALL_BYTES:
            return verify(secrets)
        gone = Event()
        wanted = takewhile(lambda _: not gone.is_set(), secrets)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._line, verify, wanted)
        finally:
            # Nobody hears any more what the rest would say.
            gone.set()

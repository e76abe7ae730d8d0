"""Whose credential is it? A valid one always passes; how many wrong ones came before it does not matter."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from hashlib import sha256
from hmac import compare_digest

from deployments.admin.principal import Principal, Role
from deployments.admin.problem import Problem
from konstruct.database import api_tokens
from konstruct.database.pool import Database

# One way to recognise a credential; None where it is none of this kind, or not valid (any more).
Way = Callable[[str], Awaitable[Principal | None]]

WRONG_AT_ONCE = 10
SECONDS_PER_WRONG = 6.0
GOOD_KEPT = 10_000


class Unauthenticated(Problem):
    """No valid token came with this request; send `Authorization: Bearer …` with one that has not expired."""

    status = 401

    def __init__(self) -> None:
        """Says how to authenticate."""
        super().__init__(headers={"WWW-Authenticate": 'Bearer realm="konstruct"'})


class TooManyAttempts(Problem):
    """No valid token came with this request, and many wrong ones came lately: wait as long as Retry-After says."""

    status = 429


class Credentials:
    """Asks each way in turn.

    Wrong ones are not counted by address: the one that Serve knows is its own proxy's, and the one in a header is
    whatever the client says. Nor need they be: what is tried are 256 bits. It is the database that is kept from harm.
    """

    def __init__(self, ways: Sequence[Way], now: Callable[[], float] = time.monotonic) -> None:
        """`now`: seconds on any clock."""
        self._ways = ways
        self._wrong = _Wrong(now)
        self._good: OrderedDict[bytes, None] = OrderedDict()
        self._line = asyncio.Lock()

    async def principal(self, authorization: str) -> Principal:
        """Who this is; raises Unauthenticated or, where too many were wrong lately, TooManyAttempts."""
        scheme, _, credential = authorization.partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            raise Unauthenticated
        known_as = sha256(credential.encode("utf-8", "replace")).digest()
        async with self._turn(known_as):
            found = await self._find(credential)
        if found is None:
            self._good.pop(known_as, None)
            self._wrong.count()
            raise Unauthenticated
        self._keep(known_as)
        return found

    def _turn(self, known_as: bytes) -> AbstractAsyncContextManager[None]:
        """Unknown ones are looked up one at a time, however many come at once; ones that were good need not wait."""
        return nullcontext() if known_as in self._good else self._line

    async def _find(self, credential: str) -> Principal | None:
        for way in self._ways:
            if (found := await way(credential)) is not None:
                return found
        return None

    def _keep(self, known_as: bytes) -> None:
        self._good[known_as] = None
        self._good.move_to_end(known_as)
        while len(self._good) > GOOD_KEPT:
            self._good.popitem(last=False)


class _Wrong:
    """A bucket that holds WRONG_AT_ONCE and loses one in SECONDS_PER_WRONG."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._empty_at = 0.0

    def count(self) -> None:
        """One more; raises TooManyAttempts where there is no room for it."""
        now = self._now()
        wait = self._empty_at - now - (WRONG_AT_ONCE - 1) * SECONDS_PER_WRONG
        if wait > 0:
            raise TooManyAttempts(headers={"Retry-After": str(int(wait) + 1)})
        self._empty_at = max(self._empty_at, now) + SECONDS_PER_WRONG


def installation_owner(token: str | None) -> Way:
    """KONSTRUCT_ADMIN_TOKEN may do everything, everywhere."""
    wanted = sha256(token.encode()).digest() if token else None

    async def recognise(credential: str) -> Principal | None:
        given = sha256(credential.encode("utf-8", "replace")).digest()
        if wanted is None or not compare_digest(given, wanted):
            return None
        return Principal(None, Role.owner, "the installation's owner", "installation")

    return recognise


def tenant_tokens(database: Database) -> Way:
    """Tokens that a tenant's owner made."""

    async def recognise(credential: str) -> Principal | None:
        found = await api_tokens.recognise(database, credential)
        if found is None:
            return None
        tenant, id_, name, role = found
        return Principal(tenant, Role[role], name, f"token:{id_}")

    return recognise

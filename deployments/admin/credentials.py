"""Whose credential is it? Wrong ones are counted, so that nobody can try many."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import TypeVar

from deployments.admin.principal import Principal, Role
from deployments.admin.problem import Problem
from konstruct.database import api_tokens
from konstruct.database.pool import Database

K = TypeVar("K")
V = TypeVar("V")
# One way to recognise a credential; None where it is none of this kind, or not valid (any more).
Way = Callable[[str], Awaitable[Principal | None]]

WRONG_AT_ONCE = 10
SECONDS_PER_WRONG = 6.0
CLIENTS_KEPT = 10_000


class Unauthenticated(Problem):
    """No valid token came with this request; send `Authorization: Bearer …` with one that has not expired."""

    status = 401

    def __init__(self) -> None:
        """Says how to authenticate."""
        super().__init__(headers={"WWW-Authenticate": 'Bearer realm="konstruct"'})


class TooManyAttempts(Problem):
    """Too many wrong tokens came from this address; wait as long as Retry-After says."""

    status = 429


class Credentials:
    """Asks each way in turn."""

    def __init__(self, ways: Sequence[Way], now: Callable[[], float] = time.monotonic) -> None:
        """`now`: seconds on any clock."""
        self._ways = ways
        self._wrong = _Wrong(now)
        # Who shares an address with somebody who guesses is not locked out.
        self._good: OrderedDict[bytes, None] = OrderedDict()

    async def principal(self, authorization: str, client: str) -> Principal:
        """Who this is; raises Unauthenticated or, where too many were wrong, TooManyAttempts."""
        scheme, _, credential = authorization.partition(" ")
        if scheme.lower() != "bearer" or not credential.strip():
            raise Unauthenticated
        known_as = sha256(credential.encode("utf-8", "replace")).digest()
        if known_as not in self._good:
            self._wrong.check(client)
        for way in self._ways:
            if (found := await way(credential.strip())) is not None:
                _keep(self._good, known_as, None)
                return found
        self._good.pop(known_as, None)
        self._wrong.count(client)
        raise Unauthenticated


class _Wrong:
    """A bucket per client that holds WRONG_AT_ONCE and loses one in SECONDS_PER_WRONG."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._empty_at: OrderedDict[str, float] = OrderedDict()

    def check(self, client: str) -> None:
        wait = self._empty_at.get(client, 0) - self._now() - (WRONG_AT_ONCE - 1) * SECONDS_PER_WRONG
        if wait > 0:
            raise TooManyAttempts(headers={"Retry-After": str(int(wait) + 1)})

    def count(self, client: str) -> None:
        _keep(self._empty_at, client, max(self._empty_at.get(client, 0), self._now()) + SECONDS_PER_WRONG)


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


def _keep(kept: "OrderedDict[K, V]", key: K, value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > CLIENTS_KEPT:
        kept.popitem(last=False)

"""The one module that speaks asyncpg: connections as `konstruct_app`, named queries, errors in our words."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import aiosql
import asyncpg
import orjson
from aiosql.types import SQLOperationType

from konstruct.errors import (
    AlreadyTaken,
    DatabaseUnavailable,
    DatabaseUnfit,
    Fenced,
    KonstructError,
    NameForgotten,
    Orphaned,
    StaleTurn,
    Unstorable,
)

SCHEMA = Path(__file__).resolve().parents[2] / "schema"
LOWEST_VERSION = 160010
LEAKING_VERSIONS = range(170000, 170006)  # statistics tell of hidden rows: CVE-2025-8713
CALL_SECONDS = 10.0
STOP_SECONDS = 2.0
SYSTEM = "system"

_WHO = """select set_config('app.current_tenant', $1, true), set_config('app.actor', $2, true),
                 set_config('app.request_id', $3, true)"""

_QUERIES = aiosql.from_path(SCHEMA / "queries", "asyncpg", mandatory_parameters=False)
_METHODS = {
    SQLOperationType.SELECT: "fetch",
    SQLOperationType.SELECT_ONE: "fetchrow",
    SQLOperationType.SELECT_VALUE: "fetchval",
    SQLOperationType.INSERT_UPDATE_DELETE: "execute",
}


class _Named(NamedTuple):
    """A query as asyncpg takes it. Run without aiosql, whose part in it would take longer than PostgreSQL's."""

    method: str
    sql: str
    parameters: list[str]


_NAMED = {
    name: _Named(_METHODS[query.operation], query.sql, _QUERIES.driver_adapter.var_sorted[name])
    for name in _QUERIES.available_queries
    if (query := getattr(_QUERIES, name)).operation in _METHODS and not name.endswith("_cursor")
}
_STATES: dict[str | None, type[KonstructError]] = {
    "KF001": Fenced,
    "KF002": StaleTurn,
    "KF003": NameForgotten,
    "23503": Orphaned,
    "23505": AlreadyTaken,
}
# What PostgreSQL says while it stops, starts or loses its disk: the request may work in a moment.
_PASSING = ("08", "53", "57", "25006", "55P03", "40")
# What no type, constraint or index takes: a value is out of range, malformed or too long.
_UNSTORABLE = ("22", "23", "54")


class TenantConnection:
    """A connection inside one tenant's transaction; the only way to run a query that reads a tenant's tables."""

    def __init__(self, connection: Any, tenant: UUID) -> None:
        """Made by `Database.tenant` only."""
        self._connection = connection
        self.tenant = tenant

    async def run(self, query: str, /, **arguments: Any) -> Any:
        """Run a named query of `schema/queries` in this tenant's transaction."""
        return await _run(self._connection, query, arguments)


class Database:
    """A pool of connections. Every error that leaves it is a KonstructError."""

    def __init__(self, url: str, connections: int = 4) -> None:
        """`url`: PostgreSQL URL of a role that may become konstruct_app. Call `start` before use."""
        self._url = url
        self._connections = connections
        self._pool: asyncpg.Pool[Any] | None = None
        # Kept taken from the pool between calls: to take one anew costs more than a small query does.
        self._idle: list[Any] = []
        self._room = asyncio.Semaphore(connections)
        self._stopped = False
        self._fit = False

    async def start(self) -> None:
        """Open the pool; connections themselves are made when needed, so the database may still be down.

        With the first one the database is checked as `check_health` does: an unfit one is asked nothing else.
        """
        self._stopped = self._fit = False
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=self._connections,
            init=self._prepare,
            reset=_leave_as_is,
            timeout=CALL_SECONDS,
            max_inactive_connection_lifetime=0,
            server_settings={"role": "konstruct_app", "application_name": "konstruct"},
        )

    async def stop(self) -> None:
        """Close the pool; calls that still run after STOP_SECONDS end with an error."""
        if self._pool is None:
            return
        self._stopped = True
        idle, self._idle = self._idle, []
        try:
            async with asyncio.timeout(STOP_SECONDS):
                for connection in idle:
                    await self._pool.release(connection)
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def check_health(self) -> None:
        """Raise DatabaseUnavailable or, if the role could pass row-level security, DatabaseUnfit."""
        _check_role(await self.run("role"))

    async def run(self, query: str, /, *, seconds: float = CALL_SECONDS, **arguments: Any) -> Any:
        """Run a named query of `schema/queries` that sets its tenant itself, or reads no tenant table."""
        async with self._connection(seconds) as connection:
            return await _run(connection, query, arguments)

    @asynccontextmanager
    async def tenant(
        self, tenant: UUID, *, seconds: float = CALL_SECONDS, actor: str = SYSTEM, request: str = ""
    ) -> AsyncIterator[TenantConnection]:
        """One transaction that sees and writes this tenant's rows only; commits when the block ends well.

        `actor` is who acts (`system`, or a person or token of the admin API by its id, never by a name that somebody
        bears), `request` the id of the request in which they do; audit rows of the transaction carry both.
        """
        async with self._connection(seconds) as connection, connection.transaction():
            await connection.fetchrow(_WHO, str(tenant), actor, request)
            yield TenantConnection(connection, tenant)

    @asynccontextmanager
    async def _connection(self, seconds: float) -> AsyncIterator[Any]:
        pool = self._pool
        if pool is None:
            raise DatabaseUnavailable("The database pool has not been started.")
        try:
            async with asyncio.timeout(seconds), self._room:
                connection = await self._take(pool)
                try:
                    yield connection
                except BaseException:
                    await pool.release(connection)
                    raise
                if self._stopped:
                    await pool.release(connection)
                else:
                    self._idle.append(connection)
        except asyncpg.PostgresError as error:
            raise _translated(error) from error
        except (OSError, TimeoutError, asyncpg.InterfaceError) as error:
            raise DatabaseUnavailable(f"PostgreSQL did not answer: {error or type(error).__name__}.") from error

    async def _prepare(self, connection: Any) -> None:
        """Makes a new connection ours; no query of a pool runs before one has found the database fit."""
        decode: Callable[[str], Any] = orjson.loads
        await connection.set_type_codec(
            "jsonb", encoder=lambda value: orjson.dumps(value).decode(), decoder=decode, schema="pg_catalog"
        )
        if not self._fit:
            _check_role(await _run(connection, "role", {}))
            self._fit = True

    async def _take(self, pool: Any) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            await pool.release(connection)
        return await pool.acquire()


async def _run(connection: Any, query: str, arguments: dict[str, Any]) -> Any:
    named = _NAMED[query]
    return await getattr(connection, named.method)(named.sql, *[arguments[name] for name in named.parameters])


def _check_role(role: Any) -> None:
    if role["superuser"] or role["bypass"] or role["owner"]:
        raise DatabaseUnfit(
            f"The application would run as role {role['name']}, which can pass row-level security; "
            "it must be konstruct_app, neither owner nor superuser nor bypassrls."
        )
    if role["version"] < LOWEST_VERSION or role["version"] in LEAKING_VERSIONS:
        raise DatabaseUnfit(f"PostgreSQL is version {role['version']}; 16.10, 17.6 or 18 is needed.")
    if role["unfenced"]:
        raise DatabaseUnfit(
            f"Row-level security is not enabled and forced with a whole policy on: {', '.join(role['unfenced'])}."
        )


def _translated(error: asyncpg.PostgresError) -> KonstructError:
    state = error.sqlstate
    if state in _STATES:
        return _STATES[state](str(error))
    if state and state.startswith(_PASSING):
        return DatabaseUnavailable(f"PostgreSQL could not do this now: {error}.")
    if state and state.startswith("42"):  # unknown table, unknown function, no permission
        return DatabaseUnfit(f"The schema is not up to date ({error}); run `konstruct migrate`.")
    refused = Unstorable if state and state.startswith(_UNSTORABLE) else KonstructError
    return refused(f"PostgreSQL refused a statement: {error}.")


async def _leave_as_is(_connection: Any) -> None:
    """Nothing to reset: every setting of ours ends with its transaction. Saves a round trip per call."""

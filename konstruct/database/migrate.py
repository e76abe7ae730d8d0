"""Migrations: `schema/migrations/*.sql`, applied in order and once by yoyo, by one process at a time."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import yoyo

from konstruct.database.pool import SCHEMA
from konstruct.errors import DatabaseUnavailable, DatabaseUnfit

# Any number that nobody else's locks have.
MIGRATION_LOCK = 7_261_944
LOCK_SECONDS = 60


def apply(url: str) -> list[str]:
    """Bring the database at `url` (owner's role) to the newest schema; answers the ids of what was applied."""
    with _backend(url) as backend, _alone(url):
        backend.break_lock()  # a row that is there now is of somebody who died
        with backend.lock():
            missing = backend.to_apply(_migrations())
            backend.apply_migrations(missing)
        return [migration.id for migration in missing]


def pending(url: str) -> list[str]:
    """Ids of migrations that `apply` would apply."""
    with _backend(url) as backend:
        return [migration.id for migration in backend.to_apply(_migrations())]


@contextmanager
def _alone(url: str) -> Iterator[None]:
    """One at a time, by a lock that ends with its holder: yoyo's own is a row, which a kill leaves behind."""
    with psycopg.connect(url) as holder:
        holder.execute("select set_config('lock_timeout', %s, true)", [f"{LOCK_SECONDS}s"])
        holder.execute("select pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        yield


@contextmanager
def _backend(url: str) -> Iterator[Any]:
    try:
        backend = yoyo.get_backend(_for_psycopg(url))
        with closing(backend.connection):
            yield backend
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"PostgreSQL cannot be reached for migrating: {_said(error)}") from error
    except psycopg.Error as error:
        raise DatabaseUnfit(f"A migration failed and was rolled back: {_said(error)}") from error


def _said(error: psycopg.Error) -> str:
    """PostgreSQL's message in one line, without the statement that it quotes."""
    return " ".join((error.diag.message_primary or str(error)).split())


def _migrations() -> Any:
    return yoyo.read_migrations(str(SCHEMA / "migrations"))


def _for_psycopg(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(("postgresql+psycopg", *parts[1:]))

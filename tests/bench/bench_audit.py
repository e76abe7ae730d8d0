"""What the audit costs PostgreSQL in a turn, and how much faster it is sealed than turns can happen."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psutil
import psycopg
from cryptography.fernet import Fernet

from actors.auditor import Auditor
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.signing import Signer
from konstruct.database import migrate
from konstruct.database.pool import Database
from konstruct.metrics import Unmeasured
from tests.bench import place
from tests.bench.asked import Asked
from tests.bench.bare_turns import BareTurns
from tests.bench.figure import Figure, ratio_at_least, ratio_at_most
from tests.bench.inbox import Inbox
from tests.bench.installed import Installed
from tests.bench.people import listening
from tests.bench.percentile import median
from tests.bench.slack import slack_for

CONVERSATIONS, BARE_CONVERSATIONS, ROWS_PER_TURN = 50, 20, 2
TRIGGERS = (("usage", "audit_model_call"), ("outbox", "audit_send"), ("conversations", "audit_silence"),
            ("conversations", "audit_silence_from_the_start"))  # fmt: skip
# Rows as turns write them, of many turns at once.
HAPPENED = """insert into audit_events (tenant_id, action, subject, details)
  select %s, 'reply.sent', 'reply:' || gen_random_uuid(), jsonb_build_object('channel', 'slack', 'conversation',
         gen_random_uuid(), 'turn', gen_random_uuid(), 'part', 0) from generate_series(1, %s)"""


async def measure(asked: Asked, installed: Installed, inbox: Inbox) -> list[Figure]:
    """Turns end to end first; then, in a database of its own beside the installation's, cost and sealing."""
    async with slack_for(place.WEBHOOK, place.SLACK_PORT) as slack, listening(slack) as people:
        await people.converse(place.QUICK, CONVERSATIONS, asked.scaled(5, 2), "U")
        await inbox.settled()
        talk = await people.converse(place.QUICK, CONVERSATIONS, asked.scaled(10, 4), "U")
        await inbox.settled()
    async with _own_database(installed) as (url, database):
        turns = await BareTurns.begin(database, "audited")
        cost = await _cost(asked, url, turns)
        sealed = await _sealing(asked, url, database, turns)
    return [
        Figure("audit: PostgreSQL's CPU in a turn", 1e6 * cost[0], "µs", "the same without the audit's triggers",
               1e6 * cost[1], ratio_at_most(1.15)),
        Figure("audit sealed, in turns", sealed / ROWS_PER_TURN, "turns/s", "turns end to end, 50 conversations",
               talk.rate, ratio_at_least(10), note=f"{ROWS_PER_TURN} rows a turn, {sealed:,.0f} rows/s"),
    ]  # fmt: skip


async def _cost(asked: Asked, url: str, turns: BareTurns) -> tuple[float, float]:
    """CPU seconds of the server's processes in a turn, with and without the triggers, interleaved."""
    messages = int(asked.scaled(60, 20))
    used: dict[str, list[float]] = {"enable": [], "disable": []}
    with psycopg.connect(url, autocommit=True) as owner:
        await turns.converse(BARE_CONVERSATIONS, messages)
        for round_ in range(2 * asked.rounds):
            for what in ("enable", "disable") if round_ % 2 else ("disable", "enable"):
                for table, trigger in TRIGGERS:
                    owner.execute(f"alter table {table} {what} trigger {trigger}".encode())
                before = _used(owner)
                await turns.converse(BARE_CONVERSATIONS, messages)
                used[what].append((_used(owner) - before) / (BARE_CONVERSATIONS * messages))
        for table, trigger in TRIGGERS:
            owner.execute(f"alter table {table} enable trigger {trigger}".encode())
    return median(used["enable"]), median(used["disable"])


def _used(owner: psycopg.Connection) -> float:
    """Of the connections that take the turns."""
    pids = "select pid from pg_stat_activity where application_name = 'konstruct' and datname = current_database()"
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for (pid,) in owner.execute(pids.encode()).fetchall())


async def _sealing(asked: Asked, url: str, database: Database, turns: BareTurns) -> float:
    """Rows a second."""
    with TemporaryDirectory() as home:
        signer = Signer((Fernet.generate_key().decode(),))
        auditor = Auditor(database, signer, Unmeasured(), AnchorFile(Path(home)))
        await auditor.seal_once()
        rates = []
        for _ in range(asked.rounds):
            with psycopg.connect(url) as owner:
                owner.execute(HAPPENED.encode(), [turns.tenant, int(asked.scaled(40_000, 10_000))])
            begun = time.perf_counter()
            count = await auditor.seal_once()
            rates.append(count / (time.perf_counter() - begun))
    return median(rates)


@asynccontextmanager
async def _own_database(installed: Installed) -> AsyncIterator[tuple[str, Database]]:
    """On the installation's server, where nobody else seals."""
    server = installed.settings.database_url or ""
    url = urlsplit(server)._replace(path="/audit_bench").geturl()
    with psycopg.connect(server, autocommit=True) as owner:
        owner.execute("drop database if exists audit_bench with (force)")
        owner.execute("create database audit_bench")
        migrate.apply(url)
        database = Database(url, 4)
        await database.start()
        try:
            yield url, database
        finally:
            await database.stop()
            owner.execute("drop database audit_bench with (force)")

"""What is done once a night beside the Supervisor: the isolation check, and tombstones that nobody needs any more."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import structlog

from konstruct.database import erasure, installation, isolation_checks
from konstruct.database.pool import Database
from konstruct.errors import KonstructError
from konstruct.identity import tenant_id
from konstruct.metrics import Metrics

LOOK_SECONDS = 600.0
# Of the day, UTC: when few people write.
NIGHT_HOURS = range(2, 5)
RESTED_SECONDS = 20 * 3600.0
OVERDUE_SECONDS = 48 * 3600.0

# Answers how much was tried, and a sentence per hole.
Check = Callable[[], tuple[int, Sequence[str]]]

log = structlog.get_logger()


class NightWatch:
    """Runs the check when it is due; PostgreSQL knows when it last ran, whoever ran it."""

    def __init__(
        self,
        database: Database,
        check: Check,
        metrics: Metrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`check` may take seconds and block: it gets a thread."""
        self._database = database
        self._check = check
        self._metrics = metrics
        self._now = now

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self.look()
            except KonstructError as error:
                log.warning("the isolation check did not run", reason=str(error))
            except Exception as error:
                log.exception("the isolation check failed", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Check if it is due; then say what was found, in the metrics, the log and the database."""
        before = await isolation_checks.last(self._database)
        if not self._due(before.age_seconds if before else None):
            if before:
                self._metrics.gauge("konstruct_isolation_holes", len(before.holes))
            return
        tried, holes = await asyncio.to_thread(self._check)
        await isolation_checks.record(self._database, tried, holes)
        self._metrics.gauge("konstruct_isolation_holes", len(holes))
        write = log.error if holes else log.info
        write("isolation checked", tried=tried, holes=list(holes))
        for name in await installation.tenant_names(self._database):
            await erasure.forget_tombstones(self._database, tenant_id(name))

    def _due(self, age: float | None) -> bool:
        if self._now().hour in NIGHT_HOURS:
            return age is None or age > RESTED_SECONDS
        return age is not None and age > OVERDUE_SECONDS

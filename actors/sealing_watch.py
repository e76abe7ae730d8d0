"""Audit rows that wait too long for their seal are told of: until then, what is removed is not missed."""

import time
from collections.abc import Callable
from uuid import UUID

import structlog

from actors.nightly_verification import Tell
from konstruct.database import audit_watch
from konstruct.database.pool import Database

# Forty rounds of the Auditor.
LATE_SECONDS = 600.0
DAY_SECONDS = 86_400
TENANTS_NAMED = 5
TEXT = (
    "Rows of the audit have waited for their seal for {minutes} minutes. Until they have it, whoever has a superuser's "
    "rights could remove them unseen. Tell whoever runs this installation; what to look at: docs/audit.md."
)

log = structlog.get_logger()


class SealingWatch:
    """Call `look` as often as you like; each tenant's operators are told once a day."""

    def __init__(self, database: Database, tell: Tell, *, now: Callable[[], float] = time.time) -> None:
        """`tell` brings a text (tenant, key, text) to operators; `now`: Unix seconds."""
        self._database = database
        self._tell = tell
        self._now = now
        self._told = set[tuple[UUID, int]]()

    async def look(self) -> None:
        """Raises KonstructError."""
        day = int(self._now() // DAY_SECONDS)
        self._told = {told for told in self._told if told[1] == day}
        waits = await audit_watch.waiting(self._database)
        late = {who: wait for who, wait in waits.items() if wait > LATE_SECONDS and (who, day) not in self._told}
        if late:
            named = [str(who) for who in late][:TENANTS_NAMED]
            log.error("audit rows wait for their seal", tenants=named, many=len(late), seconds=max(late.values()))
        for tenant, wait in late.items():
            await self._tell(tenant, f"audit-unsealed:{day}", TEXT.format(minutes=int(wait // 60)))
            self._told.add((tenant, day))

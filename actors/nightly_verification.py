"""Once a night all audit is verified; who runs a tenant is told when it is not as it was sealed."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import structlog

from konstruct.audit.verification import Finding
from konstruct.database import audit, audit_watch
from konstruct.database.audit_watch import Verified
from konstruct.database.pool import Database
from konstruct.errors import DatabaseUnavailable
from konstruct.evidence import Evidence
from konstruct.metrics import Metrics

NIGHTLY_HOUR = 3
FINDINGS_TOLD = 5

log = structlog.get_logger()

Tell = Callable[[UUID, str, str], Awaitable[None]]


class NightlyVerification:
    """Follows the clock; call `look` as often as you like. PostgreSQL knows when it was done, whoever did it."""

    def __init__(
        self,
        database: Database,
        evidence: Evidence,
        metrics: Metrics,
        tell: Tell,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`tell` brings a text (tenant, key, text) to operators; `now`: Unix seconds."""
        self._database = database
        self._evidence = evidence
        self._metrics = metrics
        self._tell = tell
        self._now = now
        self._looked_on: int | None = None

    async def look(self) -> int | None:
        """What was found, None where this night was looked at already. Raises KonstructError."""
        now = self._now()
        night = _night(now)
        if night == self._looked_on or await self._done(night):
            return None
        found = await self._installation()
        for tenant in await audit.tenants(self._database):
            found += await self._tenant(tenant, night)
        await audit_watch.record_verified(self._database, Verified(datetime.fromtimestamp(now, UTC), found))
        self._told(night, found)
        return found

    async def _done(self, night: int) -> bool:
        """Whether somebody verified all of it since that night began: us before a restart, for one."""
        last = await audit_watch.last_verified(self._database)
        if last is None or _night(last.at.timestamp()) != night:
            return False
        self._told(night, last.findings)
        return True

    def _told(self, night: int, found: int) -> None:
        self._looked_on = night
        self._metrics.gauge("konstruct_audit_findings", found)

    async def _installation(self) -> int:
        found = await _all(self._evidence.of_installation())
        if found:
            log.error("the chain of all tenants' audit is not as it was sealed", findings=found[:FINDINGS_TOLD])
        return len(found)

    async def _tenant(self, tenant: UUID, night: int) -> int:
        found = await _all(self._evidence.of_tenant(tenant))
        if found:
            log.error("audit is not as it was sealed", tenant=str(tenant), findings=found[:FINDINGS_TOLD])
            await self._tell(tenant, f"audit:{night}", told(found, datetime.fromtimestamp(self._now(), UTC)))
        return len(found)


def _night(now: float) -> int:
    """Days that ended at NIGHTLY_HOUR, UTC."""
    return int((now - NIGHTLY_HOUR * 3600) // 86_400)


async def _all(findings: AsyncIterator[Finding]) -> list[str]:
    """What cannot even be followed is a finding, and keeps no other tenant's audit from being verified."""
    found = list[str]()
    try:
        async for finding in findings:
            found += [str(finding)]
    except DatabaseUnavailable:
        raise
    except Exception as error:
        log.exception("audit could not be verified to its end")
        found += [f"damaged: it could not be verified to its end: {type(error).__name__}: {error}"]
    return found


def told(found: list[str], at: datetime) -> str:
    """What operators read."""
    named = "\n".join(f"- {finding}" for finding in found[:FINDINGS_TOLD])
    more = f"\n- and {len(found) - FINDINGS_TOLD} more" if len(found) > FINDINGS_TOLD else ""
    begin = f"The audit is not as it was sealed (verified on {at:%Y-%m-%d}). Somebody changed the database:"
    return f"{begin}\n\n{named}{more}\n\nWhat each means, and what to do: docs/audit.md."

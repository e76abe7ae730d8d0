"""What watches the audit knows: how long rows have waited for their seal, and how all of it was last verified."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from konstruct.database.audit import READ_SECONDS
from konstruct.database.pool import Database


@dataclass(frozen=True, slots=True)
class Verified:
    """All audit was verified; so much was wrong."""

    at: datetime
    findings: int


async def waiting(database: Database) -> dict[UUID, float]:
    """For how many seconds the oldest row of each tenant has waited for its seal; tenants without any are left out."""
    rows = await database.run("audit_waits", seconds=READ_SECONDS)
    return {row["tenant_id"]: row["seconds"] for row in rows}


async def last_verified(database: Database) -> Verified | None:
    """The latest verification of all audit, None before the first."""
    row = await database.run("last_audit_verification")
    return Verified(**dict(row)) if row else None


async def record_verified(database: Database, verified: Verified) -> None:
    """It was just done."""
    await database.run("record_audit_verification", at=verified.at, findings=verified.findings)

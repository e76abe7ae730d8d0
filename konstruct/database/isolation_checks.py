"""What the isolation check found, night by night."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from konstruct.database.pool import Database


@dataclass(frozen=True, slots=True)
class IsolationCheck:
    """One run; `holes` are sentences."""

    at: datetime
    tried: int
    holes: list[str]
    age_seconds: float


async def last(database: Database) -> IsolationCheck | None:
    """The latest run, None before the first."""
    row = await database.run("last_isolation_check")
    return IsolationCheck(**dict(row)) if row else None


async def record(database: Database, tried: int, holes: Sequence[str]) -> None:
    """It has just run."""
    await database.run("record_isolation_check", tried=tried, holes=list(holes))

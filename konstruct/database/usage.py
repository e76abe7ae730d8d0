"""What model calls cost a tenant, added up as operators ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from konstruct.database.pool import TenantConnection

By = Literal["day", "employee", "model", "provider", "channel"]


@dataclass(frozen=True, slots=True)
class UsageRow:
    """A sum; what was not asked for is None. Costs in micro-USD."""

    day: date | None
    employee_id: UUID | None
    employee: str | None
    model: str | None
    provider: str | None
    channel: str | None
    turns: int
    calls: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_micros: int


async def usage(
    connection: TenantConnection, first: date, last: date, by: Sequence[By], *, limit: int, offset: int
) -> list[UsageRow]:
    """Sums over the days from `first` to `last` (UTC), one for each of what `by` names."""
    rows = await connection.run(
        "usage_of_tenant", first_day=first, last_day=last, by=list(by), limit=limit, offset=offset
    )
    return [UsageRow(**dict(row)) for row in rows]

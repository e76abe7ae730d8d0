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


@dataclass(frozen=True, slots=True)
class AskedInVain:
    """A model and the turns of the last hour that asked it; of these, `in_vain` got no answer, or another model's."""

    model: str
    turns: int
    in_vain: int


async def asked_in_vain(connection: TenantConnection) -> list[AskedInVain]:
    """Models that do not answer, or not always, by name."""
    return [AskedInVain(**dict(row)) for row in await connection.run("models_asked_in_vain")]


async def usage(
    connection: TenantConnection, first: date, last: date, by: Sequence[By], *, limit: int, offset: int
) -> list[UsageRow]:
    """Sums over the days from `first` to `last` (UTC), one for each of what `by` names."""
    rows = await connection.run(
        "usage_of_tenant", first_day=first, last_day=last, by=list(by), limit=limit, offset=offset
    )
    return [UsageRow(**dict(row)) for row in rows]

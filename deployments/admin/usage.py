"""`/usage`: what model calls cost, by day, employee, model, provider and channel."""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from deployments.admin.access import Asking
from deployments.admin.page import After, Limit, Page, opened, seal
from deployments.admin.problem import Problem
from konstruct.database import usage as ledger
from konstruct.database.usage import By

router = APIRouter(prefix="/tenants/{tenant}/usage", tags=["usage"])

LONGEST_DAYS = 366
USUAL_DAYS = 30
From = Annotated[date | None, Query(alias="from", description="The first day (UTC); without it, 30 days ago.")]
To = Annotated[date | None, Query(description="The last day (UTC); without it, today.")]
Grouped = Annotated[
    list[By], Query(max_length=5, default_factory=lambda: ["day"], description="What to tell apart; may be repeated.")
]


class Usage(BaseModel):
    """A sum; what was not asked for is null."""

    day: date | None
    employee_id: UUID | None
    employee: str | None
    model: str | None
    provider: str | None
    channel: str | None
    turns: int = Field(description="By model or provider: those that ended with this one.")
    calls: int = Field(description="Of models, failed and repeated ones included, each at the model that was asked.")
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_micros: int = Field(description="Micro-USD.")


@router.get("")
async def read_usage(
    access: Asking, by: Grouped, *, first: From = None, to: To = None, limit: Limit = 50, cursor: After = None
) -> Page[Usage]:
    """What model calls cost, added up."""
    last = to or datetime.now(UTC).date()
    first = first or last - timedelta(days=min(USUAL_DAYS, last.toordinal() - 1))
    if not 0 <= (last - first).days <= LONGEST_DAYS:
        raise Problem(f"`to` must not be before `from`, nor more than {LONGEST_DAYS} days after it.", status=422)
    listed = f"usage {first} {last} {sorted(set(by))}"
    [offset] = opened(access.parts.vault, access.tenant, listed, cursor) or [0]
    async with access.transaction() as connection:
        rows = await ledger.usage(connection, first, last, by, limit=limit + 1, offset=offset)
    more = seal(access.parts.vault, access.tenant, listed, [offset + limit]) if len(rows) > limit else None
    return Page(items=[Usage.model_validate(asdict(row)) for row in rows[:limit]], next_cursor=more)

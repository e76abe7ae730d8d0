"""`/budgets`: what may be spent in a month, what was, and of which budgets operators were told."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from deployments.admin.access import Asking, OwnerChanging, Viewing
from deployments.admin.once import once
from deployments.admin.page import After, Limit, Page, opened, seal
from deployments.admin.whole import check_whole
from konstruct.budget import SCOPES
from konstruct.database import budgets, configuration
from konstruct.database.pool import TenantConnection
from konstruct.database.tenants import tenant_of
from konstruct.tenant_file import BudgetEntries

router = APIRouter(prefix="/tenants/{tenant}/budgets", tags=["budgets"])


class MonthlyLimit(BaseModel):
    """For a calendar month, UTC."""

    micros: int | None = Field(description="Micro-USD; null: no limit.")
    tokens: int | None = Field(description="null: no limit.")


UNLIMITED = MonthlyLimit(micros=None, tokens=None)


class Limits(BaseModel):
    """What may be spent, and what happens then."""

    tenant: MonthlyLimit = UNLIMITED
    employee: MonthlyLimit = Field(UNLIMITED, description="Of each.")
    conversation: MonthlyLimit = Field(UNLIMITED, description="Of each.")
    at_limit: list[str] = Field([], description="Models that answer where there is no room for the employee's own.")
    message: str | None = Field(None, description="What contacts are told where there is no room for any.")


class Spending(BaseModel):
    """This month's, of the tenant, an employee or one of the conversations that spent most."""

    scope: str
    subject_id: UUID
    name: str | None
    spent_micros: int
    spent_tokens: int
    reserved_micros: int = Field(description="What turns under way may cost at most.")
    reserved_tokens: int


class Budgets(BaseModel):
    """Limits, and how far they are used up."""

    limits: Limits
    spending: list[Spending] = Field(description="Nothing before there is a limit: see /usage.")


class Alert(BaseModel):
    """A budget that was half, four fifths or wholly used; 100: also where another turn could cost more than is left."""

    scope: str
    subject_id: UUID
    month: date
    unit: str = Field(description="micros (USD) or tokens.")
    percent: int
    budget: int
    spent: int
    raised_at: datetime


@router.get("", response_model=Budgets)
async def read_budgets(access: Viewing) -> Response:
    """The budgets and what is used of them."""
    async with access.transaction() as connection:
        return access.show(await _read(connection))


@router.put("", response_model=Budgets)
async def save_budgets(wanted: BudgetEntries, access: OwnerChanging) -> Response:
    """Set the budgets, in USD as in a tenant file; left out or null: no limit."""

    async def effect(connection: TenantConnection) -> Budgets:
        await configuration.lock(connection)
        access.check_match(await _read(connection))
        await budgets.save(connection, wanted.stored)
        await check_whole(connection, access, wanted.at_limit)
        return await _read(connection)

    return await once(access, effect)


@router.get("/alerts")
async def list_alerts(access: Asking, limit: Limit = 50, cursor: After = None) -> Page[Alert]:
    """What operators were told, newest first."""
    [offset] = opened(access.parts.vault, access.tenant, "budget alerts", cursor) or [0]
    async with access.transaction() as connection:
        rows = await budgets.alerts(connection, limit=limit + 1, offset=offset)
    more = seal(access.parts.vault, access.tenant, "budget alerts", [offset + limit]) if len(rows) > limit else None
    return Page(items=[Alert.model_validate(dict(row)) for row in rows[:limit]], next_cursor=more)


async def _read(connection: TenantConnection) -> Budgets:
    stored: dict[str, Any] = dict((await tenant_of(connection))["budgets"])
    rows = [*await budgets.spending(connection), *await budgets.spending_of_conversations(connection)]
    rows.sort(key=lambda row: SCOPES.index(row["scope"]))
    return Budgets(limits=Limits.model_validate(stored), spending=[Spending.model_validate(dict(row)) for row in rows])

"""`/bill`: what a month or an invoice's line is made of, how the books compare with Stripe, and what it refused."""

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from deployments.admin.access import Asking, Moment, Owning, Viewing
from deployments.admin.once import once
from deployments.admin.page import After, Limit, Page, opened, seal
from deployments.admin.problem import Problem
from konstruct import plans
from konstruct.billing.explaining import explain_line, explain_month
from konstruct.billing.stripe_api import StripeApi
from konstruct.database import audit, bills, meter_events
from konstruct.database.pool import TenantConnection

router = APIRouter(prefix="/tenants/{tenant}/bill", tags=["bill"])

MONTH = r"^20[2-9][0-9]-(0[1-9]|1[0-2])$"
Month = Annotated[str | None, Query(pattern=MONTH, description="A calendar month (UTC); without it, this one.")]
Line = Annotated[
    str | None, Query(pattern=r"^[A-Za-z0-9_]{1,255}$", description="Instead: Stripe's id of an invoice's line.")
]


First = Annotated[
    Moment | None, Query(alias="from", description="The first moment; without it, that of this month (UTC).")
]
Until = Annotated[Moment | None, Query(alias="to", description="The moment after the last; without it, now.")]
FIRST_ID = UUID(int=0)
Id = Annotated[UUID, Field(description="The turn's, or that of the message's charge.")]


class Used(BaseModel):
    """Something of the ledger."""

    source: str = Field(description="turn or message.")
    kind: str = Field(description="The model; or WhatsApp's category and the country.")
    prompt_tokens: int
    completion_tokens: int
    cost_micros: int


class Entry(Used):
    """Turns of one model, or charged messages of one kind."""

    count: int
    unpriced: int = Field(description="How many of them had no known price: they count as zero.")


class Movements(BaseModel):
    """In the plan's unit: ledger + forgotten + changed - outside + earlier - later - unsent - refused = told."""

    ledger: int
    forgotten: int = Field(description="Of conversations that were erased since.")
    changed: int = Field(description="Told otherwise than the ledger says now.")
    outside: int = Field(description="Outside the subscription, or not looked at yet.")
    earlier: int = Field(description="Of an earlier period, told in this one.")
    later: int = Field(description="Of this period, told in a later one.")
    unsent: int
    refused: int = Field(description="By Stripe, or in doubt.")
    told: int = Field(description="What Stripe was told for this time.")


class Cost(BaseModel):
    """What was told, by the plan."""

    used: int
    included: int
    over: int
    over_micros: int
    rounding_micros: int = Field(description="What rounding to the cent adds.")
    invoiced_micros: int


class InvoiceLine(BaseModel):
    """A line of Stripe's invoice."""

    id: str
    invoice: str
    price: str
    quantity: int
    cents: int
    begin: datetime
    end: datetime
    description: str
    asked: bool


class Bill(BaseModel):
    """Everything that a bill is made of; without a plan there are entries only."""

    tenant: str
    begin: datetime
    end: datetime
    entries: list[Entry]
    cost_micros: int
    plan: plans.Plan | None = None
    movements: Movements | None = None
    usage: Cost | None = Field(None, validation_alias="reckoning")
    lines: list[InvoiceLine] = []
    difference_micros: int | None = Field(None, description="The invoice's usage less this; zero is as it must be.")
    difference_units: int | None = None


class Row(Used):
    """A turn, or a message that is charged for."""

    id: Id
    at: datetime
    price_version: str = Field(description="Of the price list; empty where no price was known.")
    state: str | None = Field(description="Towards Stripe: waiting, sending, sent, doubtful, refused; null: no matter.")
    stamped_at: datetime | None = Field(description="The time under which Stripe was told.")


class Reconciliation(BaseModel):
    """The last comparison of a month with Stripe, in the plan's unit; difference = ledger - stripe."""

    month: date
    customer: str
    event_name: str
    ledger: int
    stripe: int
    unsent: int
    refused: int
    difference: int
    difference_micros: int = Field(description="At the plan's price.")
    at: datetime


class Refused(BaseModel):
    """Usage that Stripe would not take, or of which nobody knows whether it has."""

    id: Id
    source: str
    event_name: str
    value: int
    at: datetime
    state: str = Field(description="refused: told anew when you ask for it; doubtful: looked at by itself.")
    error: str | None


class Reconciliations(BaseModel):
    """The latest months first."""

    items: list[Reconciliation]


class RefusedList(BaseModel):
    """The latest first, at most a hundred."""

    items: list[Refused]


class Resent(BaseModel):
    """How many events will be told anew."""

    count: int


@router.get("", response_model=Bill)
async def explain_bill(access: Viewing, *, month: Month = None, invoice_line: Line = None) -> Response:
    """What a month, or a line of an invoice, is made of; it adds up to the last unit."""
    database, settings = access.parts.database, access.parts.settings
    if month and invoice_line:
        raise Problem("Ask for a month or for an invoice's line, not for both.", status=422)
    if invoice_line:
        bill = await explain_line(database, StripeApi.of(settings), access.tenant, access.name, invoice_line)
    else:
        first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC) if month else _this_month()
        bill = await explain_month(database, access.tenant, access.name, first)
    return access.show(Bill.model_validate(bill, from_attributes=True))


@router.get("/rows")
async def list_bill_rows(
    access: Asking, *, first: First = None, until: Until = None, limit: Limit = 50, cursor: After = None
) -> Page[Row]:
    """Each turn and each charged message of a time, the earliest first."""
    begin, end = (first or _this_month()).astimezone(UTC), (until or datetime.now(UTC)).astimezone(UTC)
    listed = f"bill rows {first} {until}"
    at, after = opened(access.parts.vault, access.tenant, listed, cursor) or (begin.isoformat(), str(FIRST_ID))
    async with access.transaction() as connection:
        found = await bills.rows(connection, datetime.fromisoformat(at), UUID(after), end, limit + 1)
    items = [Row.model_validate(row) for row in found[:limit]]
    more = None
    if len(found) > limit:
        last = [items[-1].at.isoformat(), str(items[-1].id)]
        more = seal(access.parts.vault, access.tenant, listed, last)
    return Page(items=items, next_cursor=more)


@router.get("/reconciliations", response_model=Reconciliations)
async def list_reconciliations(access: Viewing) -> Response:
    """How the ledger compares with Stripe's sums; made each night."""
    rows = await bills.reconciliations(access.parts.database, access.tenant)
    return access.show(Reconciliations(items=[Reconciliation.model_validate(row) for row in rows]))


@router.get("/refused", response_model=RefusedList)
async def list_refused(access: Viewing) -> Response:
    """What Stripe refused, and why."""
    async with access.transaction() as connection:
        rows = await meter_events.refused(connection)
    return access.show(RefusedList(items=[Refused.model_validate(dict(row)) for row in rows]))


@router.post("/resend", response_model=Resent)
async def resend_refused(access: Owning) -> Response:
    """Tell Stripe anew what it refused, after the reason was mended."""

    async def effect(connection: TenantConnection) -> Resent:
        count = await meter_events.resend(connection, datetime.now(UTC))
        if count:
            await audit.record(connection, "usage.resent", f"tenant:{access.tenant}", count=count)
        return Resent(count=count)

    return await once(access, effect)


def _this_month() -> datetime:
    return datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)

"""Bills explained: of a month from our ledger, of an invoice's line by comparing both."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from konstruct.bill import Bill, Line
from konstruct.billing.stripe_api import StripeApi
from konstruct.database import bills, plans
from konstruct.database.pool import Database
from konstruct.errors import UnknownLine
from konstruct.plans import Plan


async def explain_month(database: Database, tenant: UUID, name: str, month: datetime) -> Bill:
    """A calendar month (UTC), by the plan that the tenant had in it."""
    end = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
    offered = await plans.offered(database)
    had = [
        offered[row["plan"]]
        for row in await bills.subscriptions(database, tenant)
        if row["plan"] in offered and row["started_at"] < end and (row["ended_at"] is None or row["ended_at"] > month)
    ]
    return await _bill(database, tenant, name, (month, end), had[0] if had else None)


async def explain_line(database: Database, api: StripeApi, tenant: UUID, name: str, line: str) -> Bill:
    """A line of one of the tenant's invoices. Raises UnknownLine, StripeRefused or StripeUnavailable."""
    found = await _lines(database, api, tenant, line)
    asked = next(one for one in found if one.asked)
    offered = await plans.offered(database)
    plan = next((one for one in offered.values() if asked.price in (one.usage_price, one.fee_price)), None)
    bill = await _bill(database, tenant, name, (asked.begin, asked.end), plan)
    together = [one for one in found if one.price == asked.price and (one.begin, one.end) == (asked.begin, asked.end)]
    return Bill(name, bill.begin, bill.end, bill.entries, plan, bill.movements, together)


async def _bill(
    database: Database, tenant: UUID, name: str, period: tuple[datetime, datetime], plan: Plan | None
) -> Bill:
    entries = await bills.entries(database, tenant, *period)
    movements = await bills.movements(database, tenant, plan, *period) if plan else None
    return Bill(name, *period, entries, plan, movements)


async def _lines(database: Database, api: StripeApi, tenant: UUID, line: str) -> list[Line]:
    """All lines of the invoice that has this one."""
    customers = {row["customer"] for row in await bills.subscriptions(database, tenant)}
    for customer in sorted(customers):
        for invoice in await _invoices(api, customer):
            lines = [_line(one, invoice, line) for one in await _all_lines(api, invoice)]
            if any(one.asked for one in lines):
                return lines
    raise UnknownLine(f"No invoice of this tenant in Stripe has a line {line}.")


async def _invoices(api: StripeApi, customer: str) -> list[str]:
    params: Any = {"customer": customer, "limit": 100}
    return [one.id for one in await api.call(lambda c: list(c.v1.invoices.list(params).auto_paging_iter()))]


async def _all_lines(api: StripeApi, invoice: str) -> list[Mapping[str, Any]]:
    params: Any = {"limit": 100}
    found = await api.call(lambda c: list(c.v1.invoices.line_items.list(invoice, params).auto_paging_iter()))
    return [one.to_dict() for one in found]


def _line(found: Mapping[str, Any], invoice: str, asked: str) -> Line:
    price = ((found.get("pricing") or {}).get("price_details") or {}).get("price") or ""
    period = found["period"]
    return Line(
        id=found["id"],
        invoice=invoice,
        price=price if isinstance(price, str) else price["id"],
        quantity=int(found.get("quantity") or 0),
        cents=int(found["amount"]),
        begin=datetime.fromtimestamp(period["start"], UTC),
        end=datetime.fromtimestamp(period["end"], UTC),
        description=str(found.get("description") or ""),
        asked=found["id"] == asked,
    )

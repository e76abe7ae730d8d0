"""`konstruct bill explain`, `reconcile` and `resend`."""

import json as json_format
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from rich.console import Console

from actors.reckoning import Reckoning
from deployments.bill_table import show, show_each, usd
from deployments.installation.tenants import open_database
from konstruct.billing.explaining import explain_line, explain_month
from konstruct.billing.meters import Meters
from konstruct.billing.stripe_api import StripeApi
from konstruct.database import bills, meter_events
from konstruct.database.installation import tenant_names
from konstruct.database.meter_events import Sums
from konstruct.database.pool import Database
from konstruct.errors import KonstructError, UnknownTenant
from konstruct.identity import tenant_id
from konstruct.metrics import Unmeasured
from konstruct.settings import Settings

# More are for a program that asks for shorter times.
MOST_ROWS = 100_000


async def explain(
    environment: Mapping[str, str],
    tenant: str,
    month: str | None,
    line: str | None,
    console: Console,
    *,
    as_json: bool,
    each: bool = False,
) -> None:
    """Print a bill, with each turn and message if asked; raises KonstructError."""
    if (month is None) == (line is None):
        raise KonstructError("Say what to explain: either --month 2026-11, or --invoice-line il_….")
    settings = Settings.from_environment(environment)
    async with open_database(settings) as database:
        id_ = await _known(database, tenant)
        if line is not None:
            bill = await explain_line(database, StripeApi.of(settings), id_, tenant, line)
        else:
            bill = await explain_month(database, id_, tenant, _month(month or ""))
        rows = await bills.rows(database, id_, bill.begin, bill.end, MOST_ROWS) if each else []
    if as_json:
        told = bill.to_json() | ({"each": rows} if each else {})
        console.print_json(json_format.dumps(told, default=str))
    else:
        show(bill, console)
        show_each(rows, console)


async def reconcile(environment: Mapping[str, str], console: Console, *, as_json: bool) -> bool:
    """Compare every tenant's ledger with Stripe now; whether all are equal."""
    settings = Settings.from_environment(environment)
    found: list[dict[str, Any]] = []

    async def tell(*_difference: object) -> None:
        """Who asks, sees it."""

    async with open_database(settings) as database:
        reckoning = Reckoning(database, Meters(StripeApi.of(settings)), Unmeasured(), tell)
        now = datetime.fromtimestamp(time.time(), UTC)
        names = {tenant_id(name): name for name in await tenant_names(database)}
        for tenant in await meter_events.subscribers(database):
            name = names.get(tenant, str(tenant))
            found += [{"tenant": name} | _fields(*compared) for compared in await reckoning.reconcile(tenant, now)]
    if as_json:
        console.print_json(json_format.dumps(found))
    else:
        for one in found:
            mark = "[green]equal[/]" if one["difference"] == 0 else f"[red]{usd(one['difference_micros'])}[/]"
            console.print(
                f"{one['tenant']} {one['month']} {one['meter']}: ledger {one['ledger']:,}, Stripe {one['stripe']:,} "
                f"(on its way {one['unsent']:,}, refused or in doubt {one['refused']:,}): {mark}"
            )
        if not found:
            console.print("No tenant subscribes to a plan.")
    return all(one["difference"] == 0 for one in found)


async def resend(environment: Mapping[str, str], tenant: str, console: Console) -> None:
    """Tell Stripe anew what it has refused; raises UnknownTenant."""
    async with open_database(Settings.from_environment(environment)) as database:
        async with database.tenant(await _known(database, tenant)) as connection:
            count = await meter_events.resend(connection, datetime.now(UTC))
    console.print(f"{count} refused events of {tenant} will be told to Stripe anew.")


def _fields(month: date, sums: Sums, stripe: int, micros: int) -> dict[str, Any]:
    return {
        "month": f"{month:%Y-%m}",
        "meter": sums.event_name,
        "ledger": sums.ledger,
        "stripe": stripe,
        "unsent": sums.unsent,
        "refused": sums.refused,
        "difference": sums.ledger - stripe,
        "difference_micros": micros,
    }


def _month(told: str) -> datetime:
    try:
        return datetime.strptime(told, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise KonstructError(f"{told!r} is no month; write it as 2026-11.") from None


async def _known(database: Database, tenant: str) -> UUID:
    id_ = tenant_id(tenant)
    if tenant not in await tenant_names(database):
        raise UnknownTenant(f"There is no tenant {tenant}; `konstruct status` lists them.")
    return id_

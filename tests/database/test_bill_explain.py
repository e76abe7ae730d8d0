"""A bill explained: turns, tokens, messages, what is included and beyond; it adds up exactly to Stripe's own line."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import pytest_asyncio
from rich.console import Console

from deployments.admin import bill as told
from deployments.bill_table import show
from konstruct.bill import Bill
from konstruct.billing.explaining import explain_line, explain_month
from konstruct.billing.stripe_api import StripeApi
from konstruct.errors import UnknownLine
from simulator import Fault
from tests.biller_rig import ACME, GLOBEX, BillingRig, billing_rig

DAY = 86_400


@pytest_asyncio.fixture
async def k(database_url: str) -> AsyncIterator[BillingRig]:
    async with billing_rig(database_url) as rig:
        yield rig


def month_of(k: BillingRig) -> datetime:
    return datetime(k.now().year, k.now().month, 1, tzinfo=UTC)


def printed(bill: Bill) -> str:
    console = Console(file=StringIO(), width=200)
    show(told.Bill.model_validate(bill, from_attributes=True).model_dump(mode="json"), console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


async def invoiced(k: BillingRig) -> list[dict[str, Any]]:
    """The lines for usage of the period that ends next."""
    k.stripe.clock.advance(32 * DAY)
    lines = [line for invoice in k.stripe.objects("invoice") for line in invoice["lines"]["data"]]
    usage = k.metered[ACME].usage_price
    return [line for line in lines if line["pricing"]["price_details"]["price"] == usage]


async def test_a_month_says_what_was_used_and_what_it_costs(k: BillingRig) -> None:
    await k.subscribe(ACME)
    k.use(ACME, 900_000, tokens=1000)
    k.use(ACME, 300_001, tokens=500)
    k.charge(ACME, 55_000)
    k.use(GLOBEX, 77)
    await k.drain()
    bill = await explain_month(k.database, ACME, "acme", month_of(k))
    assert [(e.source, e.kind, e.count, e.prompt_tokens, e.cost_micros) for e in bill.entries] == [
        ("turn", "gpt", 2, 1500, 1_200_001),
        ("message", "utility DE", 1, 0, 55_000),
    ]
    assert bill.reckoning is not None
    # 255,001 micros beyond the million, a quarter dearer: 318,751.25 micros, 32 cents.
    assert (bill.reckoning.over, bill.reckoning.over_micros, bill.reckoning.cents) == (255_001, 318_751, 32)
    text = printed(bill)
    for part in ("$1.255001", "255,001", "$0.318751", "$0.001249", "$0.320000", "$49.000000"):
        assert part in text


async def test_a_line_of_an_invoice_adds_up_to_the_last_unit(k: BillingRig) -> None:
    await k.subscribe(ACME)
    for n in range(30):
        k.use(ACME, 100_000 + n)
    k.charge(ACME, 55_000)
    await k.drain()
    lines = await invoiced(k)
    assert len(lines) == 2
    bill = await explain_line(k.database, api(k), ACME, "acme", lines[1]["id"])
    assert (bill.difference_micros, bill.difference_units) == (0, 0)
    assert [line.asked for line in bill.lines] == [False, True]
    assert bill.movements is not None
    assert bill.movements.told == k.ledger() == 3_055_435
    assert "agree to the last unit" in printed(bill)


async def test_every_difference_has_its_name(k: BillingRig) -> None:
    begun = k.now() - timedelta(hours=4)
    await k.subscribe(ACME, begun)
    k.use(ACME, 1, begun - timedelta(minutes=1))
    k.use(ACME, 20, begun)
    await k.drain()
    k.use(ACME, 300)
    k.stripe.faults.rules.append(Fault("refuse", "billing.meter_events.create", error="bad"))
    await k.drain()
    k.use(ACME, 4000)
    k.stripe.faults.rules.append(Fault("server_error", "billing.meter_events.create", times=9))
    await k.drain()
    k.execute("update usage set cost_micros = 70020 where cost_micros = 20")
    bill = await explain_month(k.database, ACME, "acme", month_of(k))
    moved = bill.movements
    assert moved is not None
    assert (moved.outside, moved.refused, moved.unsent, moved.changed, moved.told) == (1, 300, 4000, -70_000, 20)
    assert moved.adds_up


@pytest.mark.parametrize("seed", range(6))
async def test_bills_of_neighbouring_times_add_up_whatever_happened(k: BillingRig, seed: int) -> None:
    chance = random.Random(seed)
    await k.subscribe(ACME, k.now() - timedelta(days=20))
    begin = k.now().replace(microsecond=0) - timedelta(days=30)
    for _ in range(60):
        k.use(ACME, chance.choice((0, 7, 999)), begin + timedelta(seconds=chance.random() * 29 * DAY))
    k.execute("update subscriptions set period_start_at = %s", k.now() - timedelta(days=10))
    k.stripe.faults.rules.append(Fault("refuse", "billing.meter_events.create", times=6, probability=0.2, error="bad"))
    await k.biller.drain_once()
    await k.biller.drain_once()
    k.execute("delete from usage where turn_id in (select turn_id from usage limit 5)")
    sums = []
    for start, end in ((0, 10), (10, 20), (20, 31)):
        from konstruct.database import bills, plans

        plan = (await plans.offered(k.database))["team"]
        period = begin + timedelta(days=start), begin + timedelta(days=end)
        moved = await bills.movements(k.database, ACME, plan, *period)
        assert moved.adds_up
        sums.append(moved.told)
    assert sum(sums) == k.counted()


async def test_a_tenant_without_a_plan_sees_its_usage_and_pays_nothing(k: BillingRig) -> None:
    k.use(GLOBEX, 5)
    bill = await explain_month(k.database, GLOBEX, "globex", month_of(k))
    assert (bill.cost_micros, bill.reckoning) == (5, None)
    assert "nothing is charged" in printed(bill)


async def test_a_foreign_tenants_line_is_unknown(k: BillingRig) -> None:
    await k.subscribe(ACME)
    await k.subscribe(GLOBEX)
    lines = await invoiced(k)
    with pytest.raises(UnknownLine):
        await explain_line(k.database, api(k), GLOBEX, "globex", lines[0]["id"])


def api(k: BillingRig) -> StripeApi:
    return StripeApi(k.stripe.url, k.stripe.account.secret_key)

"""Each night the ledger and Stripe's sums are compared; a difference of one micro is found, kept and told."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio

from konstruct.database import plans
from tests.biller_rig import ACME, GLOBEX, BillingRig, billing_rig
from tests.billing import ask, sdk
from tests.metering import EVENT_NAME

DAY = 86_400
KEPT = "select ledger, stripe, unsent, refused, difference, difference_micros from reconciliations where month = %s"


@pytest_asyncio.fixture
async def k(database_url: str) -> AsyncIterator[BillingRig]:
    async with billing_rig(database_url) as rig:
        yield rig


async def night(k: BillingRig) -> None:
    """The next night: everything so far is settled by then."""
    k.stripe.clock.advance(3600)
    await k.drain()
    k.execute("update reconciliations set at = at - interval '1 day'")
    await k.drain()


async def test_equal_sums_are_kept_and_nobody_is_told(k: BillingRig) -> None:
    await k.subscribe(ACME)
    await k.subscribe(GLOBEX)
    k.use(ACME, 1234)
    k.use(GLOBEX, 99)
    k.charge(ACME, 55_000)
    await night(k)
    month = k.now().date().replace(day=1)
    assert sorted(k.rows(KEPT, month)) == [(99, 99, 0, 0, 0, 0), (56_234, 56_234, 0, 0, 0, 0)]
    assert k.told == []


async def test_one_micro_more_at_stripe_is_found_and_told(k: BillingRig) -> None:
    have = await k.subscribe(ACME)
    k.use(ACME, 1234)
    event = {"event_name": EVENT_NAME, "payload": {"stripe_customer_id": have.customer, "value": "1"}}
    await ask(lambda: sdk(k.stripe).v1.billing.meter_events.create(event))  # type: ignore[arg-type]
    await night(k)
    # A quarter more than cost, rounded down.
    assert k.rows(KEPT, k.now().date().replace(day=1)) == [(1234, 1235, 0, 0, -1, -2)]
    assert {(tenant, sums.ledger, stripe, micros) for tenant, _, sums, stripe, micros in k.told} == {
        (ACME, 1234, 1235, -2)
    }


async def test_a_difference_is_priced_by_the_plan_that_the_tenant_had_of_those_that_share_a_meter(
    k: BillingRig,
) -> None:
    await k.subscribe(ACME)
    offered = (await plans.offered(k.database))["team"]
    prices = {"almost-free": 1, "zero": 0}
    others = [
        offered.model_copy(update={"name": name, "overage_micros": micros, "fee_price": name, "usage_price": name})
        for name, micros in prices.items()
    ]
    await plans.keep(k.database, others)
    k.use(ACME, 1_000_000)
    await k.drain()
    k.execute("update usage set cost_micros = 4000000")
    await night(k)
    month = k.now().date().replace(day=1)
    assert [row[-1] for row in k.rows(KEPT, month)] == [3_750_000]
    k.execute(
        "update subscriptions set plan = 'almost-free', former_plans = '{zero,team}',"
        " left_at = array[started_at, %s]::timestamptz[]",
        k.now() - timedelta(hours=1),
    )
    await night(k)
    assert [row[-1] for row in k.rows(KEPT, k.now().date().replace(day=1))] == [3]


async def test_a_ledger_that_was_changed_afterwards_is_found(k: BillingRig) -> None:
    await k.subscribe(ACME)
    k.use(ACME, 1_000_000)
    await k.drain()
    k.execute("update usage set cost_micros = 4000000")
    await night(k)
    assert k.rows(KEPT, k.now().date().replace(day=1)) == [(4_000_000, 1_000_000, 0, 0, 3_000_000, 3_750_000)]


async def test_what_is_refused_counts_as_a_difference(k: BillingRig) -> None:
    await k.subscribe(ACME)
    k.use(ACME, 800)
    await k.drain()
    k.execute("update meter_events set state = 'refused'")
    k.stripe.world.store._kinds["billing.meter_event"].clear()
    await night(k)
    assert k.rows(KEPT, k.now().date().replace(day=1)) == [(800, 0, 0, 800, 800, 1000)]


async def test_an_erased_conversation_changes_no_sum(k: BillingRig) -> None:
    await k.subscribe(ACME)
    k.use(ACME, 800)
    await k.drain()
    k.execute("delete from conversations")
    assert k.rows("select count(*) from usage") == [(0,)]
    await night(k)
    assert k.rows(KEPT, k.now().date().replace(day=1)) == [(800, 800, 0, 0, 0, 0)]


async def test_months_are_compared_once_a_night_also_where_nothing_was_used(k: BillingRig) -> None:
    await k.subscribe(ACME)
    await k.drain()
    asked = k.stripe.api.calls["billing.meters.event_summaries.list", "ok"]
    for _ in range(5):
        await k.drain()
    assert k.stripe.api.calls["billing.meters.event_summaries.list", "ok"] == asked
    k.stripe.clock.advance(DAY)
    await k.drain()
    assert k.stripe.api.calls["billing.meters.event_summaries.list", "ok"] > asked

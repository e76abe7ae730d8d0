"""What Stripe may or may not have counted: its sums decide, once they are settled."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from simulator import Fault
from tests.biller_rig import ACME, BillingRig, biller, billing_rig

HOUR = 3600


@pytest_asyncio.fixture
async def k(database_url: str) -> AsyncIterator[BillingRig]:
    async with billing_rig(database_url) as rig:
        yield rig


@pytest.mark.parametrize("there", [True, False], ids=["Stripe had it", "Stripe did not have it"])
async def test_after_stripe_may_have_forgotten_an_event_its_sum_decides(k: BillingRig, *, there: bool) -> None:
    """Told once, the answer lost, then nobody for 25 hours: the identifier protects from nothing any more."""
    await k.subscribe(ACME)
    kind = "close_after_delivery" if there else "close_before_delivery"
    k.stripe.faults.rules.append(Fault(kind, "billing.meter_events.create"))  # type: ignore[arg-type]
    k.use(ACME, 700)
    await k.biller.drain_once()
    assert k.states() == {"sending": 1}
    k.stripe.clock.advance(25 * HOUR)
    k.use(ACME, 30)
    await k.drain()
    k.stripe.clock.advance(16 * 60)
    await k.drain()
    await k.drain()
    assert k.counted() == k.ledger() == 730
    assert k.states() == {"sent": 2}


async def test_a_sum_that_may_lack_the_last_attempt_decides_nothing(k: BillingRig) -> None:
    """Stripe adds up behind its answers: the last attempt of a day was counted, but its sum does not show that yet."""
    await k.subscribe(ACME)
    k.stripe.set_options(meter_lag_seconds=600.0)
    k.stripe.faults.rules.append(Fault("close_before_delivery", "billing.meter_events.create"))
    k.use(ACME, 700)
    await k.biller.drain_once()
    k.stripe.clock.advance(22.95 * HOUR)
    k.stripe.faults.rules.append(Fault("close_after_delivery", "billing.meter_events.create"))
    await k.biller.drain_once()
    assert k.counted() == 700
    for _ in range(8):
        k.stripe.clock.advance(400)
        await k.drain()
    assert k.counted() == k.ledger() == 700
    assert k.states() == {"sent": 1}


async def test_a_doubt_waits_for_what_else_of_its_minute_was_told_just_now(k: BillingRig) -> None:
    await k.subscribe(ACME)
    k.stripe.set_options(meter_lag_seconds=600.0)
    at = k.now() - timedelta(hours=2)
    k.use(ACME, 500, at)
    await k.drain()
    k.stripe.clock.advance(HOUR)
    k.execute("update meter_events set state = 'doubtful', due_at = now()")
    k.use(ACME, 500, at)
    k.biller, k.reckoning = biller(k.database, k.stripe, k.told)
    for _ in range(6):
        await k.drain()
        k.stripe.clock.advance(330)
    assert k.counted() == k.ledger() == 1000
    assert k.states() == {"sent": 2}


@pytest.mark.parametrize("there", [True, False], ids=["Stripe had it", "Stripe did not have it"])
async def test_stripe_down_over_a_periods_end_loses_and_doubles_nothing(k: BillingRig, *, there: bool) -> None:
    """Begun in one period, still unconfirmed when its invoice is closed."""
    await k.subscribe(ACME, k.now() - timedelta(days=30))
    end = k.now() + timedelta(minutes=10)
    k.execute("update subscriptions set period_end_at = %s", end)
    kind = "close_after_delivery" if there else "close_before_delivery"
    k.stripe.faults.rules.append(Fault(kind, "billing.meter_events.create"))  # type: ignore[arg-type]
    k.use(ACME, 700)
    await k.biller.drain_once()
    k.stripe.clock.advance(2 * HOUR)
    for _ in range(3):
        await k.drain()
        k.stripe.clock.advance(16 * 60)
    [event] = k.stripe.objects("billing.meter_event")
    assert (event["timestamp"] < end.timestamp()) is there
    assert k.counted() == k.ledger() == 700
    assert k.states() == {"sent": 1}

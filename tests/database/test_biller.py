"""The Biller before Stripe's own rules: every micro of the ledger is told once, whatever fails on the way."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from konstruct.database import meter_events
from simulator import Fault
from tests.biller_rig import ACME, GLOBEX, BillingRig, biller, billing_rig

HOUR, DAY = 3600, 86_400


@pytest_asyncio.fixture
async def k(database_url: str) -> AsyncIterator[BillingRig]:
    async with billing_rig(database_url) as rig:
        yield rig


async def test_every_turn_and_every_charged_message_is_told_once(k: BillingRig) -> None:
    await k.subscribe(ACME)
    await k.subscribe(GLOBEX)
    turns = {str(k.use(ACME, 100 + n)) for n in range(60)}
    k.charge(ACME, 55_000)
    k.use(GLOBEX, 7)
    await k.drain()
    assert (k.counted(ACME), k.counted(GLOBEX)) == (k.ledger(ACME), 7)
    identifiers = [one["identifier"] for one in k.stripe.objects("billing.meter_event")]
    assert turns < set(identifiers)
    assert len(identifiers) == len(set(identifiers)) == 62
    assert await k.biller.drain_once() is False
    assert k.calls("ok") == 62


async def test_nothing_is_told_of_tenants_without_subscription_nor_of_times_outside_it(k: BillingRig) -> None:
    begun = k.now() - timedelta(hours=2)
    await k.subscribe(ACME, begun)
    k.use(ACME, 5, begun - timedelta(seconds=1))
    k.use(ACME, 11, begun)
    k.use(ACME, 0)
    k.use(GLOBEX, 1000)
    k.execute("update subscriptions set ended_at = %s", k.now() - timedelta(hours=1))
    k.use(ACME, 3)
    await k.drain()
    assert k.counted() == 11
    assert k.states() == {"sent": 1}


async def test_stripe_down_for_an_hour_loses_and_doubles_nothing(k: BillingRig) -> None:
    await k.subscribe(ACME)
    k.stripe.set_options(down_until=k.stripe.clock.now() + HOUR)
    for n in range(120):
        k.use(ACME, 1000 + n)
        await k.biller.drain_once()
        k.stripe.clock.advance(30)
    refused = k.calls("down")
    # It is asked ever more rarely, not once for every event and round.
    assert 5 < refused < 30
    k.stripe.clock.advance(400)
    await k.drain()
    assert k.counted() == k.ledger() == sum(1000 + n for n in range(120))
    assert k.states() == {"sent": 120}


@pytest.mark.parametrize("kind", ["close_after_delivery", "close_before_delivery", "server_error", "rate_limit"])
async def test_an_answer_that_is_lost_or_late_makes_no_second_charge(k: BillingRig, kind: str) -> None:
    await k.subscribe(ACME)
    k.stripe.faults.rules.append(Fault(kind, "billing.meter_events.create", times=3))  # type: ignore[arg-type]
    for n in range(10):
        k.use(ACME, 10**n)
    for _ in range(8):
        await k.biller.drain_once()
        k.stripe.clock.advance(301)
    assert k.counted() == k.ledger() == 1_111_111_111
    assert k.states() == {"sent": 10}


async def test_usage_of_a_period_that_is_closed_is_told_as_of_now(k: BillingRig) -> None:
    await k.subscribe(ACME)
    late = k.now() - timedelta(hours=3)
    k.use(ACME, 40, late)
    k.execute("update subscriptions set period_start_at = %s", k.now() - timedelta(hours=2))
    await k.drain()
    [event] = k.stripe.objects("billing.meter_event")
    assert event["timestamp"] >= int(k.now().timestamp()) - 60
    assert k.rows("select stamped_at > at from meter_events") == [(True,)]


async def test_a_period_is_closed_though_stripe_has_not_told_of_the_next_one(k: BillingRig) -> None:
    """After an outage over a period's end the Biller is there before the webhook of the renewal."""
    await k.subscribe(ACME, k.now() - timedelta(days=30))
    end = k.now() - timedelta(minutes=51)
    k.execute("update subscriptions set period_end_at = %s", end)
    k.use(ACME, 40, end - timedelta(minutes=10))
    k.use(ACME, 2, end)
    await k.drain()
    stamps = {int(one["payload"]["value"]): one["timestamp"] for one in k.stripe.objects("billing.meter_event")}
    assert stamps[40] >= int(k.now().timestamp()) - 60
    assert stamps[2] == int(end.timestamp())


async def test_usage_older_than_stripe_takes_is_told_as_of_now(k: BillingRig) -> None:
    await k.subscribe(ACME, k.now() - timedelta(days=50))
    k.use(ACME, 40, k.now() - timedelta(days=34, hours=23))
    await k.drain()
    k.stripe.report_meter_errors()
    assert k.counted() == 40


async def test_a_late_price_of_a_message_is_told_when_it_is_known(k: BillingRig) -> None:
    await k.subscribe(ACME)
    await k.drain()
    k.stripe.clock.advance(3 * DAY)
    k.charge(ACME, 55_000)
    k.execute("update message_charges set created_at = created_at - interval '3 days'")
    await k.drain()
    assert k.counted() == 55_000


async def test_a_commit_that_took_long_is_found(k: BillingRig) -> None:
    await k.subscribe(ACME)
    await k.drain()
    k.stripe.clock.advance(60)
    k.use(ACME, 9, k.now() - timedelta(minutes=10))
    await k.drain()
    assert k.counted() == 9
    # Longer than anybody thought possible: the night finds it.
    k.use(ACME, 1, k.now() - timedelta(hours=10))
    await k.drain()
    assert k.counted() == 9
    k.stripe.clock.advance(DAY)
    await k.drain()
    assert k.counted() == 10


async def test_a_wrong_key_stops_billing_and_loses_nothing(k: BillingRig) -> None:
    await k.subscribe(ACME)
    k.use(ACME, 9)
    k.biller._meters._api._key = "sk_wrong"
    await k.biller.drain_once()
    assert k.states() == {"sending": 1}
    k.biller._meters._api._key = k.stripe.account.secret_key
    k.biller._meters._api._client = None
    k.stripe.clock.advance(400)
    await k.drain()
    assert k.counted() == 9


async def test_what_is_refused_is_shown_and_told_anew_when_an_operator_says_so(k: BillingRig) -> None:
    await k.subscribe(ACME)
    k.stripe.faults.rules.append(Fault("refuse", "billing.meter_events.create", error="bad", times=2))
    k.use(ACME, 9)
    k.use(ACME, 90)
    await k.drain()
    assert k.states() == {"refused": 2}
    assert "bad" in k.rows("select error from meter_events limit 1")[0][0]
    assert await k.resend(ACME) == 2
    await k.drain()
    assert k.counted() == 99
    assert k.states() == {"sent": 2}


async def test_no_tenant_waits_because_there_are_many(k: BillingRig) -> None:
    await k.subscribe(ACME)
    k.execute(
        "insert into tenants (id, name) select md5(n::text)::uuid, 'tenant-' || n from generate_series(1, 2500) n;"
        "insert into subscriptions (tenant_id, id, customer, plan, status, started_at, observed_at)"
        " select id, 'sub', 'cus_' || name, 'team', 'active', now(), now() from tenants where name ~ '^tenant-'"
    )
    due = await meter_events.tenants_to_bill(k.database, k.now(), k.now(), k.now() - timedelta(hours=1))
    assert len(due) == 2501


async def test_two_billers_at_once_tell_each_event_once(k: BillingRig) -> None:
    await k.subscribe(ACME)
    for n in range(80):
        k.use(ACME, 1 + n)
    other, _ = biller(k.database, k.stripe, [])
    for _ in range(6):
        await asyncio.gather(k.biller.drain_once(), other.drain_once())
    assert k.counted() == k.ledger()
    assert k.states() == {"sent": 80}
    assert k.calls("ok") == 80

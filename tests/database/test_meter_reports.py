"""What Stripe finds wrong afterwards is consumed, shown, and told again once it is mended; nothing is lost quietly."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest_asyncio
from psycopg.types.json import Jsonb

from simulator import Fault
from simulator.stripe import meters as simulated
from simulator.stripe.call import Call
from tests.biller_rig import ACME, GLOBEX, BillingRig, billing_rig
from tests.billing import ask, sdk
from tests.metering import EVENT_NAME, meter


@pytest_asyncio.fixture
async def k(database_url: str) -> AsyncIterator[BillingRig]:
    async with billing_rig(database_url) as rig:
        yield rig


def report(k: BillingRig) -> list[dict[str, Any]]:
    """Stripe reports; what our webhook does with it is done here, twice."""
    told = k.stripe.report_meter_errors()
    for thin in told * 2:
        k.execute("select keep_meter_report(%s, %s, %s)", thin["id"], thin["type"], Jsonb(thin))
    return told


def delete_customer(k: BillingRig, tenant: UUID = ACME) -> None:
    k.stripe.world.store.get("customer", k.metered[tenant].customer)["deleted"] = True


async def test_events_that_a_report_names_are_refused_and_told_anew_when_mended(k: BillingRig) -> None:
    await k.subscribe(ACME)
    await k.subscribe(GLOBEX)
    delete_customer(k)
    for n in range(3):
        k.use(ACME, 10**n)
        k.use(GLOBEX, 10**n)
    await k.drain()
    assert k.states() == {"sent": 6}
    report(k)
    await k.drain()
    refused = k.rows("select tenant_id, error from meter_events where state = 'refused'")
    assert refused == [(ACME, "meter_event_customer_not_found: meter_event_customer_not_found.")] * 3
    assert k.rows("select errors, summary, handled_at is not null from meter_reports") == [
        (3, "There are 3 invalid events", True)
    ]
    k.stripe.world.store.get("customer", k.metered[ACME].customer)["deleted"] = False
    assert await k.resend(ACME) == 3
    await k.drain()
    assert (k.counted(ACME), k.counted(GLOBEX)) == (111, 111)


async def test_events_that_a_report_only_counts_are_found_by_stripes_sums(k: BillingRig) -> None:
    """Stripe names five; the other seven are doubted, and so are a neighbour's, whose sum then clears them."""
    await k.subscribe(ACME)
    await k.subscribe(GLOBEX)
    delete_customer(k)
    for n in range(12):
        k.use(ACME, 1 + n)
        k.use(GLOBEX, 100 + n)
    await k.drain()
    report(k)
    await k.biller.drain_once()
    assert k.states() == {"refused": 5, "doubtful": 19}
    k.stripe.world.store.get("customer", k.metered[ACME].customer)["deleted"] = False
    k.stripe.clock.advance(1200)
    for _ in range(4):
        await k.biller.drain_once()
    assert k.states() == {"refused": 5, "sent": 19}
    await k.resend(ACME)
    await k.drain()
    assert k.counted(ACME) == k.ledger(ACME) == sum(range(1, 13))
    assert k.counted(GLOBEX) == k.ledger(GLOBEX)


async def test_a_meter_that_is_not_there_is_reported_without_its_name_and_mended(k: BillingRig) -> None:
    await k.subscribe(ACME)
    simulated.deactivate(k.stripe.world, Call({}, (k.metered[ACME].meter,)))
    k.stripe.world.store.get("billing.meter", k.metered[ACME].meter)["event_name"] = "renamed"
    k.use(ACME, 700)
    await k.drain()
    assert report(k)[0]["type"] == "v1.billing.meter.no_meter_found"
    await k.drain()
    assert k.rows("select state, error from meter_events") == [("refused", "no_meter: no_meter.")]
    await ask(lambda: meter_sync(k))
    await k.resend(ACME)
    await k.drain()
    assert k.counted() == 700


async def test_events_of_a_meter_that_is_not_there_are_all_found_also_those_that_are_not_named(k: BillingRig) -> None:
    await k.subscribe(ACME)
    await k.subscribe(GLOBEX)
    simulated.deactivate(k.stripe.world, Call({}, (k.metered[ACME].meter,)))
    k.stripe.world.store.get("billing.meter", k.metered[ACME].meter)["event_name"] = "renamed"
    for n in range(12):
        k.use(ACME, 100 + n)
    k.use(GLOBEX, 7)
    await k.drain()
    assert report(k)[0]["type"] == "v1.billing.meter.no_meter_found"
    await k.drain()
    assert k.states() == {"refused": 5, "doubtful": 8}
    await ask(lambda: meter_sync(k))
    await k.resend(ACME)
    await k.resend(GLOBEX)
    for _ in range(6):
        await k.drain()
        k.stripe.clock.advance(3700)
    assert (k.counted(ACME), k.counted(GLOBEX)) == (k.ledger(ACME), k.ledger(GLOBEX))
    assert k.states() == {"sent": 13}


async def test_a_second_report_of_an_event_that_was_mended_since_refuses_nothing(k: BillingRig) -> None:
    await k.subscribe(ACME)
    delete_customer(k)
    k.use(ACME, 9)
    await k.drain()
    report(k)
    await k.drain()
    k.stripe.world.store.get("customer", k.metered[ACME].customer)["deleted"] = False
    await k.resend(ACME)
    await k.drain()
    assert k.counted() == 9
    for one in k.stripe.world.store.all("billing.meter_event"):
        one["reported"] = False
    assert report(k)
    await k.drain()
    assert k.states() == {"sent": 1}
    assert await k.resend(ACME) == 0
    # Told anew and wrong again, it is refused again.
    k.execute("update meter_events set state = 'refused'")
    delete_customer(k)
    await k.resend(ACME)
    await k.drain()
    report(k)
    await k.drain()
    assert k.states() == {"refused": 1}


def meter_sync(k: BillingRig) -> str:
    asked: Any = {"display_name": "Usage", "event_name": EVENT_NAME, "default_aggregation": {"formula": "sum"}}
    return sdk(k.stripe).v1.billing.meters.create(asked).id


async def test_what_is_taken_and_never_counted_ends_as_refused(k: BillingRig) -> None:
    await k.subscribe(ACME)
    k.use(ACME, 5)
    delete_customer(k)
    for _ in range(6):
        await k.drain()
        k.execute("update meter_events set state = 'doubtful', due_at = now() where state = 'sent'")
        k.stripe.clock.advance(1200)
        await k.biller.drain_once()
    [(state, error)] = k.rows("select state, error from meter_events")
    assert (state, error) == ("refused", "Stripe has taken it again and again, and not counted it.")


async def test_a_report_that_cannot_be_fetched_waits(k: BillingRig) -> None:
    await k.subscribe(ACME)
    delete_customer(k)
    k.use(ACME, 5)
    await k.drain()
    report(k)
    k.stripe.set_options(down_until=k.stripe.clock.now() + 60)
    await k.biller.drain_once()
    assert k.states() == {"sent": 1}
    k.stripe.clock.advance(120)
    await k.biller.drain_once()
    assert k.states() == {"refused": 1}


def announce(k: BillingRig, *events: str) -> None:
    """Webhooks told of these; whether Stripe has them is another matter."""
    type_ = "v1.billing.meter.error_report_triggered"
    for event in events:
        thin = {"id": event, "object": "v2.core.event", "type": type_}
        k.execute("select keep_meter_report(%s, %s, %s)", event, type_, Jsonb(thin))


async def test_a_report_that_stripe_does_not_have_holds_up_nothing(k: BillingRig) -> None:
    await k.subscribe(ACME)
    await k.subscribe(GLOBEX)
    announce(k, *(f"evt_gone_{n}" for n in range(25)))
    delete_customer(k, GLOBEX)
    for n in range(30):
        k.use(ACME, 1 + n)
    k.use(GLOBEX, 5)
    await k.drain()
    assert k.counted(ACME) == k.ledger(ACME)
    report(k)
    await k.drain()
    assert k.rows("select state from meter_events where tenant_id = %s", GLOBEX) == [("refused",)]
    waiting = k.rows("select error from meter_reports where handled_at is null")
    assert ["No such event" in error for (error,) in waiting] == [True] * 25
    asked = k.stripe.api.calls["core.events.retrieve", "resource_missing"]
    await k.drain()
    assert k.stripe.api.calls["core.events.retrieve", "resource_missing"] == asked == 25


async def test_a_report_that_may_not_be_read_or_cannot_be_understood_holds_up_nothing(k: BillingRig) -> None:
    await k.subscribe(ACME)
    await k.subscribe(GLOBEX)
    delete_customer(k, GLOBEX)
    k.use(GLOBEX, 5)
    await k.drain()
    [thin] = report(k)
    # A restricted key that lacks this one right.
    k.stripe.faults.rules.append(Fault("server_error", "core.events.retrieve", times=3, status=403))
    for n in range(3):
        k.use(ACME, 100 + n)
        await k.biller.drain_once()
        assert k.counted(ACME) == k.ledger(ACME)
        k.stripe.clock.advance(61)
    reason = k.stripe.world.store.get("v2.core.event", thin["id"])["data"]["reason"]
    reason["error_count"] = "many"
    k.use(ACME, 7)
    await k.drain()
    assert k.counted(ACME) == k.ledger(ACME)
    [(error,)] = k.rows("select error from meter_reports")
    assert "of a shape that nobody knows" in error
    reason["error_count"] = 1
    k.stripe.clock.advance(3601)
    await k.drain()
    assert k.rows("select handled_at is not null from meter_reports") == [(True,)]


async def test_a_report_that_stripe_keeps_no_more_is_given_up(k: BillingRig) -> None:
    announce(k, "evt_gone")
    for days in (0, 30, 2):
        assert k.rows("select handled_at from meter_reports") == [(None,)]
        k.stripe.clock.advance(days * 86_400)
        await k.drain()
    assert k.rows("select handled_at is not null from meter_reports") == [(True,)]


async def test_a_report_about_nothing_of_ours_is_closed(k: BillingRig) -> None:
    await k.subscribe(ACME)
    await meter(sdk(k.stripe), "somebody_else")
    asked: Any = {"event_name": "somebody_else", "payload": {"value": "much"}}
    await ask(lambda: sdk(k.stripe).v1.billing.meter_events.create(asked))
    report(k)
    await k.drain()
    assert k.rows("select handled_at is not null from meter_reports") == [(True,)]

"""Stripe's own SDK against the simulated meters: taken at once, unique for a day, judged later, added up, invoiced."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import stripe
from stripe import StripeClient

from simulator import StripeSimulator
from tests.billing import DAY, ask, customer, sdk
from tests.hook import hooked
from tests.metering import EVENT_NAME, meter, subscribed


@pytest_asyncio.fixture
async def simulator() -> AsyncIterator[StripeSimulator]:
    async with StripeSimulator(retry_seconds=()) as running:
        yield running


@pytest.fixture
def client(simulator: StripeSimulator) -> StripeClient:
    return sdk(simulator)


async def tell(client: StripeClient, who: str, value: Any, identifier: str, **more: Any) -> Any:
    payload = {"stripe_customer_id": who, "value": str(value)}
    asked = {"event_name": EVENT_NAME, "identifier": identifier, "payload": payload, **more}
    # A report names the requests by their idempotency keys, not the events by their identifiers.
    options = {"idempotency_key": f"key-of-{identifier}-at-{more.get('timestamp', 0)}"} if identifier in "abcde" else {}
    return await ask(lambda: client.v1.billing.meter_events.create(asked, options))  # type: ignore[arg-type]


async def total(client: StripeClient, meter_id: str, who: str, begin: int, end: int) -> float:
    asked = {"customer": who, "start_time": begin // 60 * 60, "end_time": end // 60 * 60 + 60}
    found = await ask(lambda: client.v1.billing.meters.event_summaries.list(meter_id, asked))  # type: ignore[arg-type]
    return sum(one.aggregated_value for one in found.data)


async def test_events_add_up_for_their_customer_and_their_minutes(
    simulator: StripeSimulator, client: StripeClient
) -> None:
    meter_id, who, other = await meter(client), await customer(client), await customer(client)
    now = simulator.world.now() // 60 * 60
    for n, at in enumerate((now - 120, now - 60, now)):
        await tell(client, who, 10**n, f"turn-{n}", timestamp=at)
    await tell(client, other, 5000, "other")
    assert await total(client, meter_id, who, now - 120, now) == 111
    assert await total(client, meter_id, who, now - 60, now - 60) == 10
    assert await total(client, meter_id, other, now, now + 60) == 5000
    with pytest.raises(stripe.InvalidRequestError, match="aligned"):
        await ask(
            lambda: client.v1.billing.meters.event_summaries.list(
                meter_id, {"customer": who, "start_time": now + 1, "end_time": now + 60}
            )
        )


async def test_an_identifier_is_unique_for_a_day_and_no_longer(
    simulator: StripeSimulator, client: StripeClient
) -> None:
    meter_id, who = await meter(client), await customer(client)
    begin = simulator.world.now()
    await tell(client, who, 7, "turn")
    with pytest.raises(stripe.InvalidRequestError, match="already exists with identifier turn"):
        await tell(client, who, 7, "turn")
    simulator.clock.advance(DAY + 1)
    await tell(client, who, 7, "turn")
    assert await total(client, meter_id, who, begin, begin + 2 * DAY) == 14


async def test_what_is_wrong_is_taken_and_told_in_a_report_only(
    client: StripeClient, simulator: StripeSimulator
) -> None:
    meter_id, who = await meter(client), await customer(client)
    now = simulator.world.now()
    async with hooked() as hook:
        simulator.courier.webhook = hook.url
        await tell(client, "cus_nobody", 1, "a")
        await tell(client, who, "much", "b")
        await tell(client, who, 1, "c", timestamp=now - 36 * DAY)
        await tell(client, who, 1, "d", timestamp=now + 400)
        await tell(client, who, 1, "e")
        simulator.report_meter_errors()
        await simulator.settle()
        assert simulator.report_meter_errors() == []
        (thin,) = [body for body in hook.bodies if body["type"].startswith("v1.billing.meter.")]
    assert "data" not in thin
    notification = client.parse_event_notification_without_verification(json.dumps(thin))
    event: Any = await ask(notification.fetch_event)  # type: ignore[union-attr]
    assert event.related_object.id == meter_id
    told = {
        one.code: [sample.request.identifier for sample in one.sample_errors] for one in event.data.reason.error_types
    }
    assert told == {
        "meter_event_customer_not_found": ["key-of-a-at-0"],
        "meter_event_invalid_value": ["key-of-b-at-0"],
        "timestamp_too_far_in_past": [f"key-of-c-at-{now - 36 * DAY}"],
        "timestamp_in_future": [f"key-of-d-at-{now + 400}"],
    }
    assert await total(client, meter_id, who, now - DAY, now + DAY) == 1


async def test_usage_is_invoiced_by_tiers_one_line_for_each(simulator: StripeSimulator, client: StripeClient) -> None:
    have = await subscribed(simulator, client, included=1000, cents="0.25")
    await tell(client, have.customer, 1400, "t1")
    await tell(client, have.customer, 10, "t2")
    simulator.clock.advance(32 * DAY)
    invoices = (await ask(lambda: client.v1.invoices.list({"customer": have.customer}))).data
    lines = [(line.quantity, line.amount) for line in invoices[0].lines.data if line.amount != 4900]
    # 410 units at a quarter of a cent: 102.5, half a cent goes up.
    assert lines == [(1000, 0), (410, 103)]
    assert invoices[0].total == 4900 + 103

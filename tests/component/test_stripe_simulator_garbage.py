"""Whatever is sent to the simulated Stripe, it answers as Stripe would, and goes on."""

import random
import re
from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio

from simulator import StripeSimulator
from simulator.stripe.api import ROUTES
from tests.billing import customer, plan, sdk, subscribe

pytestmark = pytest.mark.asyncio
NAMES = [
    *(
        "customer",
        "items[0][price]",
        "items[0]",
        "items",
        "price",
        "product",
        "recurring",
        "recurring[interval]",
        "mode",
    ),
    *("line_items[0][price]", "line_items", "success_url", "metadata", "metadata[x]", "trial_end", "trial_period_days"),
    *(
        "limit",
        "created[gte]",
        "created",
        "expand[]",
        "expand",
        "subscription",
        "payload",
        "payload[value]",
        "timestamp",
    ),
    *(
        "event_name",
        "identifier",
        "cancel_at_period_end",
        "trial_settings",
        "unit_amount",
        "currency",
        "[",
        "a[b][c",
        "",
    ),
]
VALUES = ["", "x", "-1", "0", "1e9", "9" * 20, "true", "now", "\0", "é" * 300, "[]", "usd", "month", "subscription"]
KINDS = ("customer", "subscription", "price", "product", "invoice", "event", "checkout.session")


@pytest_asyncio.fixture
async def simulator() -> AsyncIterator[StripeSimulator]:
    async with StripeSimulator(retry_seconds=()) as running:
        yield running


async def test_any_form_on_any_route_is_answered_below_500(simulator: StripeSimulator) -> None:
    client = sdk(simulator)
    await subscribe(simulator, client)
    ids = [thing["id"] for kind in KINDS for thing in simulator.objects(kind)]
    chance = random.Random(7)
    key = {"Authorization": f"Bearer {simulator.account.secret_key}"}
    async with aiohttp.ClientSession(headers=key) as session:
        for _ in range(40):
            for route in ROUTES:
                path = re.sub(r"{\w+}", lambda _: quote(chance.choice([*ids, "none", "%"]), safe=""), route.path)
                given = {chance.choice(NAMES): chance.choice(VALUES + ids) for _ in range(chance.randrange(5))}
                asked = {"params": given} if route.verb != "POST" else {"data": given}
                async with session.request(route.verb, simulator.url + path, **asked) as answer:  # type: ignore[arg-type]
                    assert answer.status < 500, (route, given, await answer.text())
                    assert (answer.status < 400) is ("error" not in await answer.json())
        async with session.post(f"{simulator.url}/v2/billing/meter_events", json=["odd"]) as answer:
            assert answer.status < 500
    assert await customer(client)
    assert await plan(client)

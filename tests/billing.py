"""A Stripe to test against: the real SDK before the double, and a catalogue."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import stripe
from stripe import StripeClient

from konstruct.database import plans
from konstruct.database.pool import Database
from konstruct.plans import Plan
from simulator import StripeSimulator

T = TypeVar("T")
DAY = 86_400


def sdk(simulator: StripeSimulator, **options: Any) -> StripeClient:
    """Stripe's own client, told nothing but where the API is."""
    stripe.enable_telemetry = False
    return StripeClient(
        simulator.account.secret_key,
        base_addresses={"api": simulator.url},
        max_network_retries=options.pop("max_network_retries", 0),
        http_client=stripe.RequestsClient(timeout=options.pop("timeout", 5)),
        **options,
    )


async def ask(call: Callable[[], T]) -> T:
    """Beside the loop on which the double runs."""
    return await asyncio.to_thread(call)


async def plan(client: StripeClient, cents: int = 4900, lookup_key: str = "team") -> str:
    """A monthly price."""
    product = await ask(lambda: client.v1.products.create({"name": "Team"}))
    price = await ask(
        lambda: client.v1.prices.create(
            {
                "product": product.id,
                "currency": "usd",
                "unit_amount": cents,
                "recurring": {"interval": "month"},
                "lookup_key": lookup_key,
            }
        )
    )
    return price.id


async def sell(database: Database, simulator: StripeSimulator) -> None:
    """Each price of the account is the fee of a plan; those that are one already stay as they are."""
    offered = {plan.fee_price for plan in (await plans.offered(database)).values()}
    new = [price["id"] for price in simulator.objects("price") if price["id"] not in offered]
    await plans.keep(
        database,
        [
            Plan(name=price.lower().replace("_", "-"), monthly_fee_micros=0, unit="replies", overage_micros=0,
                 event_name="replies", fee_price=price)
            for price in new
        ],
    )  # fmt: skip


async def customer(client: StripeClient, **fields: Any) -> str:
    return (await ask(lambda: client.v1.customers.create({"email": "a@acme.example", **fields}))).id


async def checkout(client: StripeClient, customer_id: str, price: str, **subscription: Any) -> Any:
    return await ask(
        lambda: client.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "customer": customer_id,
                "line_items": [{"price": price, "quantity": 1}],
                "subscription_data": subscription,
                "success_url": "https://acme.example/done?session={CHECKOUT_SESSION_ID}",
            }
        )
    )


async def subscribe(simulator: StripeSimulator, client: StripeClient, **subscription: Any) -> str:
    """Through Checkout; the subscription's id."""
    session = await checkout(client, await customer(client), await plan(client), **subscription)
    simulator.admin.complete_checkout(session.id)
    return str(simulator.objects("subscription")[-1]["id"])

"""A Stripe to test against: the real SDK before the double, and a catalogue."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import stripe
from stripe import StripeClient

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

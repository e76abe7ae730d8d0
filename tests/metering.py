"""Meters and metered subscriptions in the simulated Stripe."""

from dataclasses import dataclass

from stripe import StripeClient

from simulator import StripeSimulator
from tests.billing import ask, customer

EVENT_NAME = "konstruct_cost"


@dataclass(frozen=True, slots=True)
class Metered:
    """A customer with a subscription: a fee, and usage by graduated tiers."""

    customer: str
    subscription: str
    meter: str
    fee_price: str
    usage_price: str


async def meter(client: StripeClient, event_name: str = EVENT_NAME) -> str:
    params = {"display_name": "Usage", "event_name": event_name, "default_aggregation": {"formula": "sum"}}
    return (await ask(lambda: client.v1.billing.meters.create(params))).id  # type: ignore[arg-type]


async def prices(client: StripeClient, meter_id: str, included: int, cents: str, fee: int = 4900) -> tuple[str, str]:
    """The fee's and the usage's price; `cents`: for each unit beyond what is included."""
    product = await ask(lambda: client.v1.products.create({"name": "Team"}))
    monthly = {"product": product.id, "currency": "usd", "recurring": {"interval": "month"}, "unit_amount": fee}
    tiers = [{"up_to": included, "unit_amount_decimal": "0"}, {"up_to": "inf", "unit_amount_decimal": cents}]
    metered = {
        "product": product.id, "currency": "usd", "billing_scheme": "tiered", "tiers_mode": "graduated",
        "tiers": tiers if included else tiers[1:],
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter_id},
    }  # fmt: skip
    made = [await ask(lambda asked=asked: client.v1.prices.create(asked)) for asked in (monthly, metered)]  # type: ignore[misc]
    return made[0].id, made[1].id


async def subscribed(
    simulator: StripeSimulator, client: StripeClient, included: int = 1_000_000, cents: str = "0.000125"
) -> Metered:
    """Through Checkout, paid."""
    meter_id, who = await meter(client), await customer(client)
    fee, usage = await prices(client, meter_id, included, cents)
    items = [{"price": fee, "quantity": 1}, {"price": usage}]
    asked = {"mode": "subscription", "customer": who, "line_items": items, "success_url": "https://acme.example"}
    session = await ask(lambda: client.v1.checkout.sessions.create(asked))  # type: ignore[arg-type]
    simulator.admin.complete_checkout(session.id)
    return Metered(who, str(simulator.objects("subscription")[-1]["id"]), meter_id, fee, usage)

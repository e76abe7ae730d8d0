"""How `tests/payloads/stripe/history.jsonl` was recorded: two years of one customer, off the double.

`python -m tests.stripe_history` records it anew.
"""

import asyncio
from pathlib import Path
from typing import Any

import orjson

from simulator import StripeSimulator
from tests.billing import DAY, ask, checkout, customer, plan, sdk

HISTORY = Path(__file__).parent / "payloads" / "stripe" / "history.jsonl"
TENANT = "acme"


def recorded() -> list[dict[str, Any]]:
    """The events, in the order in which they happened."""
    return [orjson.loads(line) for line in HISTORY.read_bytes().splitlines()]


async def live(stripe: StripeSimulator, metadata: dict[str, str]) -> str:
    """Trial, months, a card that fails and is mended, another plan, second thoughts, an end, a new beginning."""
    client, admin = sdk(stripe), stripe.admin
    buyer = await customer(client, metadata=metadata)
    team, firm = await plan(client, 4900, "team"), await plan(client, 19900, "firm")
    session = await checkout(client, buyer, team, trial_period_days=14, metadata=metadata)
    first = admin.complete_checkout(session.id)["subscription"]
    stripe.clock.advance(80 * DAY)
    stripe.world.cards[buyer] = "declined"
    stripe.clock.advance(33 * DAY)
    admin.use_card(buyer, "ok")
    stripe.clock.advance(20 * DAY)
    item = stripe.objects("subscription")[0]["items"]["data"][0]["id"]
    await ask(lambda: client.v1.subscriptions.update(first, {"items": [{"id": item, "price": firm}]}))
    admin.cancel(first, at_period_end=True)
    admin.keep(first)
    stripe.clock.advance(100 * DAY)
    admin.set_status(first, "unpaid")
    admin.set_status(first, "active")
    stripe.world.cards[buyer] = "action"
    stripe.clock.advance(60 * DAY)
    second = admin.complete_checkout((await checkout(client, buyer, firm, metadata=metadata)).id)["subscription"]
    stripe.clock.advance(40 * DAY)
    stripe.world.cards[buyer] = "declined"
    stripe.clock.advance(25 * DAY)
    return str(second)


async def record() -> None:
    async with StripeSimulator(hold_events=True) as stripe:
        await live(stripe, {"konstruct_tenant": TENANT})
        HISTORY.parent.mkdir(parents=True, exist_ok=True)
        HISTORY.write_bytes(b"\n".join(orjson.dumps(event) for event in stripe.objects("event")) + b"\n")


if __name__ == "__main__":
    asyncio.run(record())

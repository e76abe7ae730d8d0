"""Invoices: made from a subscription's items, a draft for a while, then due; paid by the customer's card or not."""

from simulator.stripe.call import Call, Route
from simulator.stripe.catalog import amount, parts
from simulator.stripe.refusal import Refused
from simulator.stripe.store import Thing, listed, new_id
from simulator.stripe.world import World

URL = "/v1/invoices"


def draw(world: World, subscription: Thing, reason: str, used: tuple[int, int] | None) -> Thing:
    """Make a draft: licensed items for their current period, metered ones for the period `used`."""
    invoice = world.new(
        "invoice",
        "in",
        amount_paid=0,
        attempt_count=0,
        attempted=False,
        auto_advance=True,
        billing_reason=reason,
        collection_method="charge_automatically",
        currency=subscription["currency"],
        customer=subscription["customer"],
        hosted_invoice_url=None,
        metadata={},
        next_payment_attempt=None,
        number=None,
        parent={
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {"subscription": subscription["id"], "metadata": subscription["metadata"]},
        },
        status="draft",
        status_transitions={"finalized_at": None, "paid_at": None, "marked_uncollectible_at": None, "voided_at": None},
    )
    reckon(world, invoice, subscription, used)
    return invoice


def reckon(world: World, invoice: Thing, subscription: Thing, used: tuple[int, int] | None) -> None:
    """Put lines and totals on a draft."""
    free = subscription["status"] == "trialing"
    lines = []
    for item in subscription["items"]["data"]:
        period = (item["current_period_start"], item["current_period_end"])
        quantity = item.get("quantity", 0)
        if _metered(item):
            if used is None:
                continue
            period = used
            quantity = world.usage(item["price"], subscription["customer"], *used)
        touched = parts(item["price"], quantity)
        lines += [_line(invoice, subscription, item, part, period, free=free) for part in touched]
    total = sum(line["amount"] for line in lines)
    begin, end = used or (subscription["start_date"], subscription["start_date"])
    invoice.update(
        lines=listed(lines, f"{URL}/{invoice['id']}/lines") | {"total_count": len(lines)},
        subtotal=total,
        total=total,
        amount_due=total,
        amount_remaining=total,
        period_start=begin,
        period_end=end,
    )


def finalize(world: World, invoice: Thing) -> None:
    """Make a draft an invoice that is due."""
    count = sum(1 for other in world.store.all("invoice") if other["number"])
    url = f"{world.address}/i/{invoice['id']}"
    changes = invoice["status_transitions"] | {"finalized_at": world.now()}
    invoice.update(status="open", number=f"SIM-{count + 1:04d}", hosted_invoice_url=url, status_transitions=changes)
    world.tell("invoice.finalized", invoice)


def pay(world: World, invoice: Thing) -> str:
    """Try the card; return "paid", or what the card did: declined, action or none."""
    card = world.cards.get(invoice["customer"], "none")
    if invoice["amount_due"] == 0 or card == "ok":
        changes = invoice["status_transitions"] | {"paid_at": world.now()}
        invoice.update(
            status="paid",
            attempted=True,
            attempt_count=invoice["attempt_count"] + (invoice["amount_due"] > 0),
            amount_paid=invoice["amount_due"],
            amount_remaining=0,
            next_payment_attempt=None,
            status_transitions=changes,
        )
        world.tell("invoice.paid", invoice)
        return "paid"
    invoice.update(attempted=True, attempt_count=invoice["attempt_count"] + 1)
    return card


def void(world: World, invoice: Thing) -> None:
    """Give up an invoice that nobody paid."""
    changes = invoice["status_transitions"] | {"voided_at": world.now()}
    invoice.update(status="void", next_payment_attempt=None, status_transitions=changes)
    world.tell("invoice.voided", invoice)


def subscription_of(invoice: Thing) -> str:
    """Return the id of the subscription that an invoice is for."""
    return str(invoice["parent"]["subscription_details"]["subscription"])


def list_(world: World, call: Call) -> Thing:
    """List invoices, by ?customer=, ?subscription=, ?status=."""
    customer, subscription, status = (call.params.get(name) for name in ("customer", "subscription", "status"))
    return world.store.page(
        "invoice",
        URL,
        call.params,
        lambda one: (
            customer in (None, one["customer"])
            and subscription in (None, subscription_of(one))
            and status in (None, one["status"])
        ),
    )


def lines(world: World, call: Call) -> Thing:
    """List an invoice's lines."""
    found: Thing = world.store.get("invoice", call.id)["lines"]
    return found


def preview(world: World, call: Call) -> Thing:
    """Show what the next invoice would be today; it is kept nowhere."""
    subscription = world.store.get("subscription", call.params.get("subscription"), "subscription")
    if subscription["ended_at"] is not None:
        raise Refused("No upcoming invoices for customer", status=404, code="invoice_upcoming_none")
    shown: Thing = {"id": new_id("upcoming_in"), "object": "invoice", "status": "draft", "number": None}
    begin = min(item["current_period_start"] for item in subscription["items"]["data"])
    reckon(world, shown, subscription, (begin, world.now()))
    return shown | {"customer": subscription["customer"], "currency": subscription["currency"]}


def _metered(item: Thing) -> bool:
    return bool(item["price"]["recurring"]["usage_type"] == "metered")


def _line(
    invoice: Thing, subscription: Thing, item: Thing, part: tuple[int, str], period: tuple[int, int], *, free: bool
) -> Thing:
    price, (quantity, unit) = item["price"], part
    named = {"subscription": subscription["id"], "subscription_item": item["id"], "proration": False}
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": 0 if free else amount(quantity, unit),
        "currency": price["currency"],
        "description": f"{quantity} x {price['nickname'] or price['product']}",
        "discounts": [],
        "invoice": invoice["id"],
        "livemode": False,
        "metadata": dict(subscription["metadata"]),
        "parent": {"type": "subscription_item_details", "subscription_item_details": named},
        "period": {"start": period[0], "end": period[1]},
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": unit,
        },
        "quantity": quantity,
        "taxes": [],
    }


ROUTES = (
    Route("GET", URL, "invoices.list", list_),
    Route("POST", URL + "/create_preview", "invoices.create_preview", preview),
    Route("GET", URL + "/{id}", "invoices.retrieve", lambda world, call: world.store.get("invoice", call.id)),
    Route("GET", URL + "/{id}/lines", "invoices.lines.list", lines),
)

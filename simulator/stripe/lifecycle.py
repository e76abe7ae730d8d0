"""What becomes of a subscription: paid, overdue, tried again, given up, paused, ended. Each step tells its events."""

from typing import Any

from simulator.stripe import invoices
from simulator.stripe.periods import later
from simulator.stripe.store import Thing
from simulator.stripe.world import World

DAY_SECONDS = 86_400
INCOMPLETE_SECONDS = 23 * 3600
OVER = ("canceled", "incomplete_expired")


def begin(world: World, subscription: Thing, *, paid_by: str | None = None) -> Thing:
    """Draw the first invoice and have it paid; `paid_by`: a card that comes with the request."""
    if paid_by is not None:
        world.cards[subscription["customer"]] = paid_by
    trialing = subscription["trial_end"] is not None
    subscription["status"] = "trialing" if trialing else "incomplete"
    invoice = invoices.draw(world, subscription, "subscription_create", None)
    subscription["latest_invoice"] = invoice["id"]
    world.tell("customer.subscription.created", subscription)
    world.tell("invoice.created", invoice)
    invoices.finalize(world, invoice)
    outcome = invoices.pay(world, invoice)
    if outcome != "paid":
        _tell_failure(world, invoice, outcome)
    elif not trialing:
        move(world, subscription, status="active")
    return subscription


def move(world: World, subscription: Thing, **changes: Any) -> None:
    """Change a subscription and tell of it."""
    world.change("customer.subscription.updated", subscription, **changes)


def renew(world: World, subscription: Thing) -> Thing:
    """Begin the next period: its invoice is a draft for a while."""
    ends = min(item["current_period_end"] for item in subscription["items"]["data"])
    used = (min(item["current_period_start"] for item in subscription["items"]["data"]), ends)
    _next_period(subscription, ends)
    invoice = invoices.draw(world, subscription, "subscription_cycle", used)
    invoice["automatically_finalizes_at"] = world.now() + int(world.options.draft_seconds)
    subscription["latest_invoice"] = invoice["id"]
    world.tell("customer.subscription.updated", subscription, {"latest_invoice": None})
    world.tell("invoice.created", invoice)
    if world.options.draft_seconds <= 0:
        collect(world, invoice)
    return invoice


def collect(world: World, invoice: Thing) -> None:
    """Finalise a draft and ask for its money."""
    subscription = world.store.get("subscription", invoices.subscription_of(invoice))
    invoices.reckon(world, invoice, subscription, (invoice["period_start"], invoice["period_end"]))
    invoice["automatically_finalizes_at"] = None
    invoices.finalize(world, invoice)
    charge(world, invoice)


def charge(world: World, invoice: Thing) -> None:
    """Try to be paid; the subscription follows."""
    subscription = world.store.get("subscription", invoices.subscription_of(invoice))
    outcome = invoices.pay(world, invoice)
    if outcome == "paid":
        if subscription["status"] in ("past_due", "unpaid", "incomplete"):
            move(world, subscription, status="active")
        return
    waits = world.options.dunning_days
    tried = invoice["attempt_count"]
    again = tried <= len(waits) and subscription["status"] not in OVER
    invoice["next_payment_attempt"] = world.now() + waits[tried - 1] * DAY_SECONDS if again else None
    _tell_failure(world, invoice, outcome)
    if not again and world.options.after_dunning == "canceled":
        end(world, subscription, "payment_failed")
    elif subscription["status"] not in OVER:
        move(world, subscription, status="past_due" if again else world.options.after_dunning)


def end_trial(world: World, subscription: Thing) -> None:
    """Begin to charge; without a card, do what was said when the trial began."""
    absent = world.cards.get(subscription["customer"], "none") == "none"
    behaviour = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if absent and behaviour == "pause":
        world.change("customer.subscription.updated", subscription, status="paused")
        world.tell("customer.subscription.paused", subscription)
        return
    if absent and behaviour == "cancel":
        end(world, subscription, "payment_failed")
        return
    subscription["status"] = "active"
    world.tell("customer.subscription.updated", subscription, {"status": "trialing"})
    renew(world, subscription)


def resume(world: World, subscription: Thing) -> Thing:
    """Take a paused subscription up again, with a new period from now on."""
    _next_period(subscription, world.now())
    world.change("customer.subscription.updated", subscription, status="active")
    world.tell("customer.subscription.resumed", subscription)
    return subscription


def end(world: World, subscription: Thing, reason: str) -> Thing:
    """Cancel at once."""
    now = world.now()
    subscription.update(
        status="canceled",
        ended_at=now,
        canceled_at=subscription["canceled_at"] or now,
        cancel_at_period_end=False,
        cancellation_details={"comment": None, "feedback": None, "reason": reason},
    )
    world.tell("customer.subscription.deleted", subscription)
    return subscription


def _next_period(subscription: Thing, begins: int) -> None:
    anchor = subscription["billing_cycle_anchor"]
    for item in subscription["items"]["data"]:
        item["current_period_start"] = begins
        item["current_period_end"] = later(begins, item["price"]["recurring"], anchor)


def _tell_failure(world: World, invoice: Thing, outcome: str) -> None:
    world.tell("invoice.payment_failed", invoice)
    if outcome == "action":
        world.tell("invoice.payment_action_required", invoice)

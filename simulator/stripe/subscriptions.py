"""Subscriptions: made, changed, paused, resumed and cancelled through the API."""

import copy
from typing import Any

from simulator.stripe import lifecycle
from simulator.stripe.call import Call, Route
from simulator.stripe.customers import merged
from simulator.stripe.form import flag, number, required
from simulator.stripe.periods import later
from simulator.stripe.refusal import Refused
from simulator.stripe.store import Thing, listed, new_id
from simulator.stripe.world import World

URL = "/v1/subscriptions"
# What every subscription begins with.
NEW: Thing = {
    "billing_mode": {"type": "flexible"},
    "cancel_at": None,
    "cancel_at_period_end": False,
    "canceled_at": None,
    "cancellation_details": {"comment": None, "feedback": None, "reason": None},
    "collection_method": "charge_automatically",
    "days_until_due": None,
    "default_payment_method": None,
    "discounts": [],
    "ended_at": None,
    "latest_invoice": None,
    "pause_collection": None,
    "pending_update": None,
    "schedule": None,
    "test_clock": None,
}


def create(world: World, call: Call) -> Thing:
    """Subscribe a customer; the first invoice is asked of the card that is on record."""
    customer = world.store.get("customer", required(call.params, "customer"), "customer")
    subscription = draft(world, customer["id"], required(call.params, "items"), call.params)
    lifecycle.begin(world, subscription)
    if subscription["status"] == "incomplete" and call.params.get("payment_behavior") == "error_if_incomplete":
        lifecycle.end(world, subscription, "payment_failed")
        raise Refused("Your card was declined.", status=402, kind="card_error", code="card_declined")
    return subscription


def draft(world: World, customer: str, items: list[Thing], params: Thing) -> Thing:
    """Make the object; nothing is charged or told yet."""
    now = world.now()
    days = number(params, "trial_period_days")
    trial_end = number(params, "trial_end") or (now + days * lifecycle.DAY_SECONDS if days else None)
    missing_card = ((params.get("trial_settings") or {}).get("end_behavior") or {}).get("missing_payment_method")
    subscription = world.new(
        "subscription",
        "sub",
        **copy.deepcopy(NEW),
        billing_cycle_anchor=trial_end or now,
        currency="usd",
        customer=customer,
        description=params.get("description"),
        metadata=dict(params.get("metadata") or {}),
        start_date=now,
        status="incomplete",
        trial_end=trial_end,
        trial_settings={"end_behavior": {"missing_payment_method": missing_card or "create_invoice"}},
        trial_start=now if trial_end else None,
    )
    made = [_item(world, subscription, item) for item in items]
    if len({item["price"]["recurring"]["interval"] for item in made}) > 1:
        raise Refused("All prices of a subscription must have the same interval.", param="items")
    subscription["items"] = listed(made, f"/v1/subscription_items?subscription={subscription['id']}")
    subscription["currency"] = made[0]["price"]["currency"]
    return subscription


def update(world: World, call: Call) -> Thing:
    """Change items, metadata, the trial, or whether it ends with its period."""
    subscription = _running(world, call)
    params = call.params
    changes: Thing = {"metadata": merged(subscription, params)}
    if "cancel_at_period_end" in params:
        changes |= end_with_period(world, subscription, stop=flag(params["cancel_at_period_end"]))
    if "pause_collection" in params:
        changes["pause_collection"] = params["pause_collection"] or None
    if params.get("items"):
        before = [dict(item) for item in subscription["items"]["data"]]
        after = _changed(world, subscription, params["items"])
        changes["items"] = subscription["items"] | {"data": after} if after != before else subscription["items"]
    lifecycle.move(world, subscription, **changes)
    if params.get("trial_end") == "now" and subscription["status"] == "trialing":
        subscription["trial_end"] = world.now()
        lifecycle.end_trial(world, subscription)
    return subscription


def end_with_period(world: World, subscription: Thing, *, stop: bool) -> Thing:
    """Return the changes that let a subscription end with its period, or go on after all."""
    ends = max(item["current_period_end"] for item in subscription["items"]["data"])
    return {
        "cancel_at_period_end": stop,
        "cancel_at": ends if stop else None,
        "canceled_at": world.now() if stop else None,
    }


def cancel(world: World, call: Call) -> Thing:
    """Cancel at once."""
    return lifecycle.end(world, _running(world, call), "cancellation_requested")


def resume(world: World, call: Call) -> Thing:
    """Take up a paused one."""
    subscription = _running(world, call)
    if subscription["status"] != "paused":
        raise Refused("Only a paused subscription can be resumed.")
    return lifecycle.resume(world, subscription)


def list_(world: World, call: Call) -> Thing:
    """List subscriptions, by ?customer=, ?price=, ?status=; those that ended only where asked for."""
    customer, status, price = (call.params.get(name) for name in ("customer", "status", "price"))

    def wanted(one: Thing) -> bool:
        if customer not in (None, one["customer"]):
            return False
        if price is not None and all(item["price"]["id"] != price for item in one["items"]["data"]):
            return False
        return status == "all" or (status == one["status"] if status else one["status"] != "canceled")

    return world.store.page("subscription", URL, call.params, wanted)


def _running(world: World, call: Call) -> Thing:
    subscription = world.store.get("subscription", call.id)
    if subscription["ended_at"] is not None:
        raise Refused(f"No such subscription: '{call.id}'", status=404, code="resource_missing", param="id")
    return subscription


def _item(world: World, subscription: Thing, given: Thing) -> Thing:
    price = world.store.get("price", required(given, "price"), "items[0][price]")
    if price["recurring"] is None:
        raise Refused("The price is not a recurring one.", param="items[0][price]")
    begin = subscription["start_date"]
    end = subscription["trial_end"] or later(begin, price["recurring"], begin)
    item: Thing = {
        "id": new_id("si"),
        "object": "subscription_item",
        "created": begin,
        "current_period_start": begin,
        "current_period_end": end,
        "discounts": [],
        "metadata": dict(given.get("metadata") or {}),
        "price": dict(price),
        "subscription": subscription["id"],
        "tax_rates": [],
    }
    if price["recurring"]["usage_type"] == "licensed":
        item["quantity"] = number(given, "quantity", 1)
    return item


def _changed(world: World, subscription: Thing, given: list[Any]) -> list[Thing]:
    items = {item["id"]: dict(item) for item in subscription["items"]["data"]}
    for wanted in given:
        if not wanted.get("id"):
            new = _item(world, subscription, wanted)
            old = next(iter(items.values()))
            items[new["id"]] = new | {name: old[name] for name in ("current_period_start", "current_period_end")}
        elif flag(wanted.get("deleted")):
            items.pop(wanted["id"], None)
        elif wanted["id"] in items:
            item = items[wanted["id"]]
            if wanted.get("price"):
                item["price"] = dict(world.store.get("price", wanted["price"], "items[0][price]"))
            if wanted.get("quantity"):
                item["quantity"] = number(wanted, "quantity")
    return list(items.values())


ROUTES = (
    Route("POST", URL, "subscriptions.create", create),
    Route("GET", URL, "subscriptions.list", list_),
    Route("GET", URL + "/{id}", "subscriptions.retrieve", lambda world, call: world.store.get("subscription", call.id)),
    Route("POST", URL + "/{id}", "subscriptions.update", update),
    Route("DELETE", URL + "/{id}", "subscriptions.cancel", cancel),
    Route("POST", URL + "/{id}/resume", "subscriptions.resume", resume),
)

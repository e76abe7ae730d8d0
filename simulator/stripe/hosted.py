"""Sessions of hosted pages: Checkout, where a customer subscribes, and the portal, where he changes his mind."""

from typing import Any

from simulator.stripe import lifecycle, subscriptions
from simulator.stripe.call import Call, Route
from simulator.stripe.form import required
from simulator.stripe.refusal import Refused
from simulator.stripe.store import Thing, listed, new_id
from simulator.stripe.world import World

CHECKOUT, PORTAL = "/v1/checkout/sessions", "/v1/billing_portal/sessions"
SESSION_SECONDS = 86_400
DECLINED = "Your card was declined."


def create_checkout(world: World, call: Call) -> Thing:
    """Open a Checkout page for a subscription."""
    params = call.params
    if required(params, "mode") != "subscription":
        raise Refused("Only mode=subscription is simulated.", param="mode")
    items = [item | {"object": "item", "id": new_id("li")} for item in required(params, "line_items")]
    for number, item in enumerate(items):
        world.store.get("price", required(item, "price"), f"line_items[{number}][price]")
    if params.get("customer"):
        world.store.get("customer", params["customer"], "customer")
    session = world.new(
        "checkout.session",
        "cs_test",
        amount_total=None,
        cancel_url=params.get("cancel_url"),
        client_reference_id=params.get("client_reference_id"),
        currency="usd",
        customer=params.get("customer"),
        customer_email=params.get("customer_email"),
        expires_at=world.now() + SESSION_SECONDS,
        invoice=None,
        metadata=dict(params.get("metadata") or {}),
        mode="subscription",
        payment_method_collection=params.get("payment_method_collection", "always"),
        payment_status="unpaid",
        status="open",
        subscription=None,
        success_url=required(params, "success_url"),
    )
    session |= {"url": f"{world.address}/c/pay/{session['id']}"}
    session["_wanted"] = {"items": items, "subscription": params.get("subscription_data") or {}}
    return session


def complete(world: World, id_: str, card: str = "ok") -> Thing:
    """Do what the customer does on the page: give a card and subscribe. A declined card leaves the page open."""
    session = open_session(world, id_)
    if card == "declined":
        raise Refused(DECLINED, status=402, kind="card_error", code="card_declined")
    wanted = session["_wanted"]
    customer = session["customer"] or world.new("customer", "cus", metadata={}, email=session["customer_email"])["id"]
    subscription = subscriptions.draft(world, customer, wanted["items"], wanted["subscription"])
    if card == "none" and not (subscription["trial_end"] and session["payment_method_collection"] == "if_required"):
        raise Refused("A card is needed.", status=402, kind="card_error", code="card_declined")
    lifecycle.begin(world, subscription, paid_by=card)
    invoice = world.store.get("invoice", subscription["latest_invoice"])
    session.update(
        customer=customer,
        subscription=subscription["id"],
        invoice=invoice["id"],
        amount_total=invoice["total"],
        payment_status="paid" if invoice["amount_paid"] else "no_payment_required",
        status="complete",
        url=None,
    )
    world.tell("checkout.session.completed", session)
    return session


def open_session(world: World, id_: str) -> Thing:
    """Return a session that is still open; raises Refused for another."""
    session = world.store.get("checkout.session", id_)
    if session["status"] == "open" and session["expires_at"] <= world.now():
        session.update(status="expired", url=None)
        world.tell("checkout.session.expired", session)
    if session["status"] != "open":
        raise Refused(f"This Checkout Session is {session['status']}.")
    return session


def expire(world: World, call: Call) -> Thing:
    """Close a page."""
    session = open_session(world, call.id)
    session.update(status="expired", url=None)
    world.tell("checkout.session.expired", session)
    return session


def line_items(world: World, call: Call) -> Thing:
    """List what a session sells."""
    session = world.store.get("checkout.session", call.id)
    things = [
        item | {"price": world.store.get("price", item["price"]), "quantity": int(item.get("quantity") or 1)}
        for item in session["_wanted"]["items"]
    ]
    return listed(things, f"{CHECKOUT}/{call.id}/line_items")


def create_portal(world: World, call: Call) -> Thing:
    """Open the portal for a customer."""
    customer = world.store.get("customer", required(call.params, "customer"), "customer")
    session = world.new(
        "billing_portal.session",
        "bps",
        configuration="bpc_simulated",
        customer=customer["id"],
        flow=None,
        locale=None,
        on_behalf_of=None,
        return_url=call.params.get("return_url"),
    )
    return session | {"url": f"{world.address}/p/session/{session['id']}"}


def retrieve_checkout(world: World, call: Call) -> Thing:
    """Return a session."""
    return world.store.get("checkout.session", call.id)


def list_checkouts(world: World, call: Call) -> Thing:
    """List sessions, by ?customer=, ?subscription=, ?status=."""
    asked: dict[str, Any] = {name: call.params.get(name) for name in ("customer", "subscription", "status")}
    return world.store.page(
        "checkout.session",
        CHECKOUT,
        call.params,
        lambda one: all(value in (None, one[name]) for name, value in asked.items()),
    )


ROUTES = (
    Route("POST", CHECKOUT, "checkout.sessions.create", create_checkout),
    Route("GET", CHECKOUT, "checkout.sessions.list", list_checkouts),
    Route("GET", CHECKOUT + "/{id}", "checkout.sessions.retrieve", retrieve_checkout),
    Route("POST", CHECKOUT + "/{id}/expire", "checkout.sessions.expire", expire),
    Route("GET", CHECKOUT + "/{id}/line_items", "checkout.sessions.list_line_items", line_items),
    Route("POST", PORTAL, "billing_portal.sessions.create", create_portal),
)

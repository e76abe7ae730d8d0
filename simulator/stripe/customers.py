"""Customers."""

from simulator.stripe.call import Call, Route
from simulator.stripe.store import Thing
from simulator.stripe.world import World

FIELDS = ("address", "description", "email", "name", "phone", "shipping")
URL = "/v1/customers"


def create(world: World, call: Call) -> Thing:
    """Create a customer; one without a card, until somebody gives one on a page."""
    customer = world.new(
        "customer",
        "cus",
        **{name: call.params.get(name) for name in FIELDS},
        balance=0,
        currency=None,
        default_source=None,
        delinquent=False,
        discount=None,
        invoice_settings={"custom_fields": None, "default_payment_method": None, "footer": None},
        metadata=dict(call.params.get("metadata") or {}),
        preferred_locales=[],
        tax_exempt="none",
        test_clock=None,
    )
    world.tell("customer.created", customer)
    return customer


def retrieve(world: World, call: Call) -> Thing:
    """Return a customer; a deleted one says so."""
    customer = world.store.get("customer", call.id)
    gone = {"id": customer["id"], "object": "customer", "deleted": True}
    return gone if customer.get("deleted") else customer


def update(world: World, call: Call) -> Thing:
    """Change a customer."""
    customer = world.store.get("customer", call.id)
    changes = {name: call.params[name] or None for name in FIELDS if name in call.params}
    return world.change("customer.updated", customer, **changes, metadata=merged(customer, call.params))


def delete(world: World, call: Call) -> Thing:
    """Delete a customer for good; its subscriptions end."""
    customer = world.store.get("customer", call.id)
    for subscription in world.store.all("subscription"):
        if subscription["customer"] == customer["id"] and subscription["ended_at"] is None:
            world.change(
                "customer.subscription.deleted",
                subscription,
                status="canceled",
                ended_at=world.now(),
                canceled_at=world.now(),
            )
    customer["deleted"] = True
    world.tell("customer.deleted", customer)
    return retrieve(world, call)


def list_(world: World, call: Call) -> Thing:
    """List customers, of one ?email= or all."""
    email = call.params.get("email")
    return world.store.page(
        "customer", URL, call.params, lambda one: email in (None, one["email"]) and not one.get("deleted")
    )


def merged(thing: Thing, params: Thing) -> Thing:
    """Return metadata after an update: "" removes a key, or all of them."""
    if params.get("metadata") == "":
        return {}
    given = params.get("metadata") or {}
    return {name: value for name, value in {**thing["metadata"], **given}.items() if value != ""}


ROUTES = (
    Route("POST", URL, "customers.create", create),
    Route("GET", URL, "customers.list", list_),
    Route("GET", URL + "/{id}", "customers.retrieve", retrieve),
    Route("POST", URL + "/{id}", "customers.update", update),
    Route("DELETE", URL + "/{id}", "customers.delete", delete),
)

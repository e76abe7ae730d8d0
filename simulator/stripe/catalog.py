"""Products and prices. A metered price names its meter; there are no usage records any more."""

from decimal import Decimal, InvalidOperation
from typing import Any

from simulator.stripe.call import Call, Route
from simulator.stripe.customers import merged
from simulator.stripe.form import flag, number, required
from simulator.stripe.refusal import Refused
from simulator.stripe.store import Thing
from simulator.stripe.world import World

PRODUCTS, PRICES = "/v1/products", "/v1/prices"
INTERVALS = ("day", "week", "month", "year")


def create_product(world: World, call: Call) -> Thing:
    """Create a product."""
    product = world.new(
        "product",
        "prod",
        active=flag(call.params.get("active", "true")),
        default_price=None,
        description=call.params.get("description"),
        images=[],
        marketing_features=[],
        metadata=dict(call.params.get("metadata") or {}),
        name=required(call.params, "name"),
        type="service",
        unit_label=call.params.get("unit_label"),
        updated=world.now(),
        url=None,
    )
    if call.params.get("id"):
        world.store.rename(product, call.params["id"])
    world.tell("product.created", product)
    return product


def update_product(world: World, call: Call) -> Thing:
    """Change a product."""
    product = world.store.get("product", call.id)
    changes: Thing = {name: call.params[name] or None for name in ("name", "description") if name in call.params}
    if "active" in call.params:
        changes["active"] = flag(call.params["active"])
    return world.change("product.updated", product, **changes, metadata=merged(product, call.params))


def create_price(world: World, call: Call) -> Thing:
    """Create a price of a product."""
    params = call.params
    product = world.store.get("product", required(params, "product"), "product")
    tiers = _tiers(params) if params.get("billing_scheme") == "tiered" else None
    unit_amount, exact = (None, None) if tiers else _amounts(params)
    price = world.new(
        "price",
        "price",
        active=flag(params.get("active", "true")),
        billing_scheme="tiered" if tiers else "per_unit",
        currency=required(params, "currency"),
        custom_unit_amount=None,
        lookup_key=params.get("lookup_key"),
        metadata=dict(params.get("metadata") or {}),
        nickname=params.get("nickname"),
        product=product["id"],
        recurring=_recurring(params.get("recurring")),
        tax_behavior="unspecified",
        tiers=tiers,
        tiers_mode="graduated" if tiers else None,
        transform_quantity=None,
        type="recurring" if params.get("recurring") else "one_time",
        unit_amount=unit_amount,
        unit_amount_decimal=exact,
    )
    world.tell("price.created", price)
    return price


def list_prices(world: World, call: Call) -> Thing:
    """List prices, by ?product=, ?lookup_keys=, ?active=."""
    product, keys, active = (call.params.get(name) for name in ("product", "lookup_keys", "active"))
    return world.store.page(
        "price",
        PRICES,
        call.params,
        lambda one: (
            product in (None, one["product"])
            and (keys is None or one["lookup_key"] in keys)
            and (active is None or one["active"] == flag(active))
        ),
    )


def update_price(world: World, call: Call) -> Thing:
    """Change what may be changed of a price: not its amount."""
    price = world.store.get("price", call.id)
    changes: Thing = {name: call.params[name] or None for name in ("nickname", "lookup_key") if name in call.params}
    if "active" in call.params:
        changes["active"] = flag(call.params["active"])
    return world.change("price.updated", price, **changes, metadata=merged(price, call.params))


def parts(price: Thing, quantity: int) -> list[tuple[int, str]]:
    """Return the quantity in each tier that is touched, with its unit amount; without tiers there is one part."""
    if not price["tiers"]:
        return [(quantity, price["unit_amount_decimal"])]
    found: list[tuple[int, str]] = []
    below = 0
    for tier in price["tiers"]:
        top = quantity if tier["up_to"] is None else min(quantity, tier["up_to"])
        if top > below or not found:
            found.append((top - below, tier["unit_amount_decimal"]))
        below = max(below, top)
    return found


def cost(price: Thing, quantity: int) -> int:
    """Return the amount in cents, rounded half away from zero as Stripe does."""
    return sum(amount(count, unit) for count, unit in parts(price, quantity))


def amount(quantity: int, unit: str) -> int:
    """Return what one line of an invoice costs."""
    return int((Decimal(unit) * quantity).quantize(Decimal(1), "ROUND_HALF_UP"))


def _tiers(params: Thing) -> list[Thing]:
    if params.get("tiers_mode") != "graduated" or not params.get("tiers"):
        raise Refused("Only graduated tiers are simulated.", param="tiers_mode")
    found = []
    for given in params["tiers"]:
        unit, exact = _amounts(given)
        up_to = None if given.get("up_to") == "inf" else number(given, "up_to")
        found.append({"up_to": up_to, "flat_amount": None, "unit_amount": unit, "unit_amount_decimal": exact})
    if any(tier["up_to"] is None for tier in found[:-1]) or found[-1]["up_to"] is not None:
        raise Refused("The last tier must have up_to=inf, and no other.", param="tiers")
    return found


def _amounts(params: Thing) -> tuple[int | None, str]:
    raw = params.get("unit_amount_decimal") or params.get("unit_amount")
    if raw is None:
        raise Refused(
            "A price needs unit_amount or unit_amount_decimal.", code="parameter_missing", param="unit_amount"
        )
    try:
        exact = Decimal(str(raw))
    except InvalidOperation:
        raise Refused(f"Invalid decimal: {raw}", param="unit_amount_decimal") from None
    return (int(exact) if exact == int(exact) else None), format(exact, "f")


def _recurring(given: Any) -> Thing | None:
    if not given:
        return None
    if given.get("interval") not in INTERVALS:
        raise Refused(f"Invalid interval: must be one of {', '.join(INTERVALS)}", param="recurring[interval]")
    usage = given.get("usage_type", "licensed")
    if usage == "metered" and not given.get("meter"):
        raise Refused("A metered price must be backed by a meter.", param="recurring[meter]")
    return {
        "interval": given["interval"],
        "interval_count": number(given, "interval_count", 1),
        "meter": given.get("meter"),
        "trial_period_days": None,
        "usage_type": usage,
    }


ROUTES = (
    Route("POST", PRODUCTS, "products.create", create_product),
    Route("GET", PRODUCTS, "products.list", lambda world, call: world.store.page("product", PRODUCTS, call.params)),
    Route("GET", PRODUCTS + "/{id}", "products.retrieve", lambda world, call: world.store.get("product", call.id)),
    Route("POST", PRODUCTS + "/{id}", "products.update", update_product),
    Route("POST", PRICES, "prices.create", create_price),
    Route("GET", PRICES, "prices.list", list_prices),
    Route("GET", PRICES + "/{id}", "prices.retrieve", lambda world, call: world.store.get("price", call.id)),
    Route("POST", PRICES + "/{id}", "prices.update", update_price),
)

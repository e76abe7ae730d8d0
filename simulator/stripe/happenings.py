"""Events as the API lists them: of the last 30 days, whole, and as thin notifications under /v2."""

from simulator.stripe.call import Call, Route
from simulator.stripe.notifier import thinned
from simulator.stripe.refusal import missing
from simulator.stripe.store import Thing
from simulator.stripe.world import World

URL, THIN_URL = "/v1/events", "/v2/core/events"
KEPT_SECONDS = 30 * 86_400


def list_(world: World, call: Call) -> Thing:
    """List events, by ?type=, ?types=, ?created[gte]=."""
    oldest = world.now() - KEPT_SECONDS
    type_, types = call.params.get("type"), call.params.get("types")
    return world.store.page(
        "event",
        URL,
        call.params,
        lambda one: one["created"] >= oldest and type_ in (None, one["type"]) and (not types or one["type"] in types),
    )


def retrieve_thin(world: World, call: Call) -> Thing:
    """Return a thin event: one of its own, or that of a snapshot."""
    own = world.store.find(call.id)
    if own is not None and own["object"] == "v2.core.event":
        return own
    event = world.store.find(call.id.removesuffix("_thin"))
    if event is None or event["object"] != "event":
        raise missing("event", call.id)
    return thinned(event)


ROUTES = (
    Route("GET", URL, "events.list", list_),
    Route("GET", URL + "/{id}", "events.retrieve", lambda world, call: world.store.get("event", call.id)),
    Route("GET", THIN_URL + "/{id}", "core.events.retrieve", retrieve_thin),
)

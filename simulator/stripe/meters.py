"""Billing meters: events are taken at once and judged later; what was wrong with them is only told in reports."""

from datetime import UTC, datetime

from simulator.stripe.call import Call, Route
from simulator.stripe.form import number, required
from simulator.stripe.refusal import Refused, missing
from simulator.stripe.store import Thing, listed, new_id
from simulator.stripe.world import World

URL = "/v1/billing/meters"
METER, EVENT, REPORT = "billing.meter", "billing.meter_event", "v2.core.event"
UNIQUE_SECONDS = 24 * 3600
PAST_SECONDS, FUTURE_SECONDS = 35 * 86_400, 300
SAMPLES = 5
WINDOWS = {"hour": 3600, "day": 86_400}


def create(world: World, call: Call) -> Thing:
    """Create a meter; no two active ones may listen to the same name."""
    name = required(call.params, "event_name")
    if _active(world, name) is not None:
        raise Refused(f"An active meter already exists for event_name {name}.", param="event_name")
    return world.new(
        METER,
        "mtr",
        customer_mapping={"type": "by_id", "event_payload_key": "stripe_customer_id"},
        default_aggregation={"formula": (call.params.get("default_aggregation") or {}).get("formula", "sum")},
        display_name=required(call.params, "display_name"),
        event_name=name,
        event_time_window=None,
        status="active",
        status_transitions={"deactivated_at": None},
        updated=world.now(),
        value_settings={"event_payload_key": "value"},
    )


def deactivate(world: World, call: Call) -> Thing:
    """End a meter: events for it are errors from now on."""
    meter = world.store.get(METER, call.id)
    meter.update(status="inactive", status_transitions={"deactivated_at": world.now()})
    return meter


def take(world: World, call: Call) -> Thing:
    """Take an event, if its identifier is new. Whether it counts is decided, but not said."""
    payload = required(call.params, "payload")
    identifier = call.params.get("identifier") or new_id("evt")
    now = world.now()
    for known in world.store.all(EVENT):
        if known["identifier"] == identifier and known["created"] > now - UNIQUE_SECONDS:
            raise Refused(f"An event already exists with identifier {identifier}.")
    event: Thing = {
        "created": now,
        "event_name": required(call.params, "event_name"),
        "identifier": identifier,
        "livemode": False,
        "object": EVENT,
        "payload": {str(key): str(value) for key, value in payload.items()},
        "timestamp": number(call.params, "timestamp", now),
    }
    kept = {
        "id": new_id("mtrevt"),
        "request": world.cause.idempotency_key or identifier,
        "error": _judged(world, event),
    }
    world.store.add(event | kept | {"reported": False})
    return event


def summaries(world: World, call: Call) -> Thing:
    """Add up a customer's events from start_time to end_time, whole or by hour or day."""
    meter = world.store.get(METER, call.id)
    customer, begin, end = (required(call.params, name) for name in ("customer", "start_time", "end_time"))
    world.store.get("customer", customer, "customer")
    window = WINDOWS.get(call.params.get("value_grouping_window", ""), 0)
    begin, end = int(begin), int(end)
    if begin % (window or 60) or end % (window or 60) or begin >= end:
        raise Refused("start_time and end_time must be aligned with the window's boundaries.", param="start_time")
    found = []
    for at in range(begin, end, window or end - begin):
        to = at + window if window else end
        values = _values(world, meter, customer, at, to, settled=world.now() - world.options.meter_lag_seconds)
        if values:
            told = {"start_time": at, "end_time": to, "meter": meter["id"], "aggregated_value": float(sum(values))}
            found.append({"id": new_id("mtrusg"), "object": "billing.meter_event_summary", "livemode": False} | told)
    return listed(found[::-1], call.url)


def report(world: World) -> list[Thing]:
    """Tell what was wrong with events since the last report: one thin notification for each meter."""
    bad = [event for event in world.store.all(EVENT) if event["error"] and not event["reported"]]
    told = []
    for name in dict.fromkeys(event["event_name"] for event in bad):
        wrong = [event for event in bad if event["event_name"] == name]
        for event in wrong:
            event["reported"] = True
        meter = next((one for one in reversed(world.store.all(METER)) if one["event_name"] == name), None)
        told.append(_notify(world, meter, wrong))
    return told


def used(world: World, price: Thing, customer: str, begin: int, end: int) -> int:
    """How much of a metered price's meter a customer has used."""
    meter = world.store.get(METER, price["recurring"]["meter"])
    return max(0, sum(_values(world, meter, customer, begin, end, settled=world.now())))


def _notify(world: World, meter: Thing | None, wrong: list[Thing]) -> Thing:
    codes = dict.fromkeys(event["error"] for event in wrong)
    types = [_counted(code, [event for event in wrong if event["error"] == code]) for code in codes]
    at = datetime.fromtimestamp(world.now(), UTC).isoformat().replace("+00:00", "Z")
    thin: Thing = {
        "id": new_id("evt"),
        "object": REPORT,
        "type": "v1.billing.meter.error_report_triggered" if meter else "v1.billing.meter.no_meter_found",
        "created": at,
        "livemode": False,
        "context": None,
        "reason": None,
    }
    if meter:
        thin["related_object"] = {"id": meter["id"], "type": METER, "url": f"{URL}/{meter['id']}"}
    content = {
        "developer_message_summary": f"There are {len(wrong)} invalid events",
        "reason": {"error_count": len(wrong), "error_types": types},
        "validation_start": _stamp(min(event["created"] for event in wrong)),
        "validation_end": _stamp(world.now() + 1),
    }
    world.store.add(thin | {"data": content})
    world.notifier.tell(thin)
    return thin


def _counted(code: str, wrong: list[Thing]) -> Thing:
    samples = [{"error_message": f"{code}.", "request": {"identifier": event["request"]}} for event in wrong[:SAMPLES]]
    return {"code": code, "error_count": len(wrong), "sample_errors": samples}


def _judged(world: World, event: Thing) -> str | None:
    now, value = world.now(), event["payload"].get("value", "")
    if _active(world, event["event_name"]) is None:
        known = any(meter["event_name"] == event["event_name"] for meter in world.store.all(METER))
        return "archived_meter" if known else "no_meter"
    if "stripe_customer_id" not in event["payload"]:
        return "meter_event_no_customer_defined"
    customer = world.store.find(event["payload"]["stripe_customer_id"])
    if customer is None or customer.get("deleted"):
        return "meter_event_customer_not_found"
    if not value.removeprefix("-").isdigit():
        return "meter_event_invalid_value"
    if len(value) > 15:
        return "meter_event_value_too_many_digits"
    if event["timestamp"] < now - PAST_SECONDS:
        return "timestamp_too_far_in_past"
    return "timestamp_in_future" if event["timestamp"] > now + FUTURE_SECONDS else None


def _values(world: World, meter: Thing, customer: str, begin: int, end: int, *, settled: float) -> list[int]:
    return [
        int(event["payload"]["value"])
        for event in world.store.all(EVENT)
        if not event["error"]
        and event["event_name"] == meter["event_name"]
        and event["payload"]["stripe_customer_id"] == customer
        and begin <= event["timestamp"] < end
        and event["created"] <= settled
    ]


def _active(world: World, name: str) -> Thing | None:
    meters = world.store.all(METER)
    return next((meter for meter in meters if meter["event_name"] == name and meter["status"] == "active"), None)


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _event(world: World, call: Call) -> Thing:
    found = world.store.find(call.id)
    if found is None or found["object"] != REPORT:
        raise missing("event", call.id)
    return found


ROUTES = (
    Route("POST", URL, "billing.meters.create", create),
    Route("GET", URL, "billing.meters.list", lambda world, call: world.store.page(METER, URL, call.params)),
    Route("GET", URL + "/{id}", "billing.meters.retrieve", lambda world, call: world.store.get(METER, call.id)),
    Route("POST", URL + "/{id}/deactivate", "billing.meters.deactivate", deactivate),
    Route("GET", URL + "/{id}/event_summaries", "billing.meters.event_summaries.list", summaries),
    Route("POST", "/v1/billing/meter_events", "billing.meter_events.create", take),
    Route("GET", "/v2/core/events/{id}", "v2.core.events.retrieve", _event),
)

"""Stripe's events, parsed: whole or thin, of any API version; what cannot be read is said, never guessed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from konstruct.subscription import Snapshot
from konstruct.wellformed import parsed, well_formed

METADATA_TENANT, METADATA_PLAN = "konstruct_tenant", "konstruct_plan"


class EventUnreadable(ValueError):
    """Signed, but not of a shape that anybody could act upon."""


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """One event. `about`: the object as it was then; empty in thin events, which only name it."""

    id: str
    type: str
    at: int  # Unix seconds, by Stripe's clock
    about: Mapping[str, Any] = field(default_factory=dict, repr=False)
    thin: bool = False
    snapshot_event: str = ""  # of a thin event: the whole one
    related: str = ""  # of a thin event: the address of what it is about
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)


def parse(body: bytes) -> StripeEvent:
    """Read a body; raises EventUnreadable."""
    try:
        return event_of(parsed(body))
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, EventUnreadable) else f"it is not JSON: {error}"
        raise EventUnreadable(reason) from None


def event_of(found: Any) -> StripeEvent:
    """Read an event as Stripe's API gives it, too; raises EventUnreadable."""
    if not isinstance(found, dict):
        raise EventUnreadable("it is no JSON object")
    id_, type_ = _text(found.get("id")), _text(found.get("type"))
    if not id_ or not type_:
        raise EventUnreadable("it has no id or no type")
    if found.get("object") == "v2.core.event":
        related = found.get("related_object")
        named = _text(related.get("url")) if isinstance(related, dict) else ""
        return StripeEvent(
            id_, type_.removeprefix("v1."), _iso(found.get("created")), thin=True,
            snapshot_event=_text(found.get("snapshot_event")), related=named, body=found,
        )  # fmt: skip
    content = found.get("data")
    about = content.get("object") if isinstance(content, dict) else None
    at = _seconds(found.get("created"))
    if not isinstance(about, dict) or at is None:
        raise EventUnreadable("it has no data.object or no created")
    return StripeEvent(id_, type_, at, about, body=found)


def snapshot_of(subscription: Mapping[str, Any]) -> Snapshot | None:
    """A subscription of any API version; None where it is not one that can be understood."""
    id_, customer, status = (_text(subscription.get(name)) for name in ("id", "customer", "status"))
    customer = customer or _text(_object(subscription.get("customer")).get("id"))
    started = _seconds(subscription.get("start_date")) or _seconds(subscription.get("created"))
    if not (id_ and customer and status and started):
        return None
    items = [_object(item) for item in _list(_object(subscription.get("items")).get("data"))]
    # Since 2025-03-31 (basil) periods are those of the items; before, of the subscription.
    starts = _present([*(item.get("current_period_start") for item in items), subscription.get("current_period_start")])
    ends = _present([*(item.get("current_period_end") for item in items), subscription.get("current_period_end")])
    return Snapshot(
        id=id_,
        customer=customer,
        status=status,
        prices=tuple(price for item in items if (price := _text(_object(item.get("price")).get("id")))),
        started_at=started,
        ended_at=_seconds(subscription.get("ended_at")),
        period_start_at=min(starts, default=None),
        period_end_at=min(ends, default=None),
        trial_ends_at=_seconds(subscription.get("trial_end")),
        cancels_at=_seconds(subscription.get("cancel_at")),
        plan=_text(_object(subscription.get("metadata")).get(METADATA_PLAN)) or None,
    )


def customer_of(about: Mapping[str, Any]) -> str:
    """The customer's id, "" where none is named."""
    if about.get("object") == "customer":
        return _text(about.get("id"))
    given = about.get("customer")
    return _text(given) or _text(_object(given).get("id"))


def subscription_of(about: Mapping[str, Any]) -> str:
    """The id of the subscription that an invoice or a Checkout session is for, "" where for none."""
    if about.get("object") == "subscription":
        return _text(about.get("id"))
    details = _object(_object(about.get("parent")).get("subscription_details"))
    given = details.get("subscription") or about.get("subscription")
    return _text(given) or _text(_object(given).get("id"))


def metadata_of(about: Mapping[str, Any]) -> Mapping[str, Any]:
    """What we noted on the object, or on the subscription that an invoice is for."""
    details = _object(_object(about.get("parent")).get("subscription_details"))
    return _object(details.get("metadata")) | _object(about.get("metadata"))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return well_formed(value)[:255] if isinstance(value, str) else ""


def _seconds(value: Any) -> int | None:
    # Beyond the year 9999 nothing can be stored.
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if 0 <= value < 253_402_300_800 else None


def _present(values: list[Any]) -> list[int]:
    return [seconds for value in values if (seconds := _seconds(value)) is not None]


def _iso(value: Any) -> int:
    try:
        return int(datetime.fromisoformat(str(value)).timestamp())
    except (ValueError, OverflowError):
        return 0

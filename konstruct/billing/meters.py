"""Stripe's billing meters: telling usage, reading what was added up, and what Stripe found wrong."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from konstruct.billing.stripe_api import StripeApi
from konstruct.errors import StripeRefused, StripeUnavailable
from konstruct.metering import MeterErrors, MeterEvent

if TYPE_CHECKING:
    from stripe import StripeClient

T = TypeVar("T")
ALREADY_THERE = "already exists with identifier"
# An event's key, or its identifier.
KEY = re.compile(r"(?P<id>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})(\.(?P<anew>\d{1,6}))?(\.\d+)?")


class Meters:
    """The meters of one account."""

    def __init__(self, api: StripeApi) -> None:
        """`api`: with retries of its own or without, an event is counted once."""
        self._api = api
        self._ids: dict[str, str] = {}

    async def tell(self, event: MeterEvent) -> bool:
        """Tell usage; False where Stripe had it already. Raises StripeUnavailable or StripeRefused."""
        params: Any = {
            "event_name": event.event_name,
            "identifier": event.identifier,
            "payload": {"stripe_customer_id": event.customer, "value": str(event.value)},
            "timestamp": int(event.stamped_at.timestamp()),
        }
        # The identifier makes repetitions harmless. The key is that of the attempt: under the same one, Stripe would
        # repeat its first answer for a day, also where that was a failure. Its reports name events by this key.
        options: Any = {"idempotency_key": f"{event.id}.{event.anew}.{event.attempt}"}
        try:
            await self._call(lambda client: client.v1.billing.meter_events.create(params, options))
        except StripeRefused as refused:
            if ALREADY_THERE in str(refused):
                return False
            raise
        return True

    async def total(self, event_name: str, customer: str, begin: datetime, end: datetime) -> int:
        """What Stripe has counted between two whole minutes. Raises as `tell` does."""
        meter = await self._meter(event_name)
        params: Any = {
            "customer": customer,
            "start_time": int(begin.timestamp()),
            "end_time": int(end.timestamp()),
            "limit": 100,
        }
        found = await self._call(
            lambda client: list(client.v1.billing.meters.event_summaries.list(meter, params).auto_paging_iter())
        )
        return sum(int(one.aggregated_value) for one in found)

    async def errors(self, body: Mapping[str, Any]) -> MeterErrors:
        """Fetch what a thin event only announces. Raises as `tell` does."""
        event = await self._call(lambda client: client.v2.core.events.retrieve(str(body.get("id"))).to_dict())
        related = event.get("related_object") or {}
        # A meter may have ended, and another one have taken its name.
        self._ids.clear()
        name = await self._event_name(str(related["id"])) if related.get("id") else ""
        try:
            return _errors(event.get("data") or {}, name)
        except (ValueError, TypeError, AttributeError) as error:
            raise StripeRefused(f"The report is of a shape that nobody knows: {error}") from error

    async def _meter(self, event_name: str) -> str:
        if event_name not in self._ids:
            for meter in await self._meters():
                self._ids[meter["event_name"]] = meter["id"]
        if event_name not in self._ids:
            raise StripeRefused(
                f"Stripe has no active meter for the event name {event_name}; create one, or correct the plan.",
                "no_meter",
            )
        return self._ids[event_name]

    async def _event_name(self, meter: str) -> str:
        return str(await self._call(lambda client: client.v1.billing.meters.retrieve(meter).event_name))

    async def _meters(self) -> list[dict[str, Any]]:
        active: Any = {"status": "active", "limit": 100}
        found = await self._call(lambda client: list(client.v1.billing.meters.list(active).auto_paging_iter()))
        return [{"event_name": meter.event_name, "id": meter.id} for meter in found]

    async def _call(self, do: Callable[["StripeClient"], T]) -> T:
        try:
            return await self._api.call(do)
        except StripeRefused as refused:
            if getattr(refused.__cause__, "http_status", None) in (None, 401, 403):
                # Of the key or of the installation, not of what was asked.
                raise StripeUnavailable(str(refused)) from refused
            raise


def _errors(content: Mapping[str, Any], event_name: str) -> MeterErrors:
    reason = content.get("reason") or {}
    named = {}
    for kind in reason.get("error_types") or []:
        for sample in kind.get("sample_errors") or []:
            told = str((sample.get("request") or {}).get("identifier", ""))
            if found := KEY.fullmatch(told):
                event = UUID(found["id"]), int(found["anew"] or 0)
                named[event] = f"{kind.get('code')}: {sample.get('error_message', '')}"[:1000]
    return MeterErrors(
        summary=str(content.get("developer_message_summary", ""))[:1000],
        count=int(reason.get("error_count") or len(named)),
        named=named,
        event_name=event_name,
        begin=_moment(content.get("validation_start")),
        end=_moment(content.get("validation_end")),
    )


def _moment(told: Any) -> datetime:
    try:
        return datetime.fromisoformat(str(told)).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)

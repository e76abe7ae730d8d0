"""Meta's webhooks: changes put into entries, signed, and delivered, several at once where that is wanted."""

import contextlib
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterator
from typing import Any

import orjson

from simulator.delivery import Courier, Delivery, Parcel, Said, said
from simulator.whatsapp.number import Number

# Lists of which one change may hold several.
MERGED = ("contacts", "messages", "statuses", "message_echoes")


class Notifier:
    """Tells the app's webhook."""

    def __init__(self, courier: Courier) -> None:
        self._courier = courier
        self._held: list[tuple[Number, str, dict[str, Any]]] | None = None

    async def tell(self, number: Number, field: str, value: dict[str, Any], channel: str = "", ts: str = "") -> Said:
        """Deliver a change; returns after the first attempt. While a batch is collected, it is only kept."""
        if self._held is not None:
            self._held.append((number, field, value))
            return Said(number.phone_number_id, channel, ts, "", None, "held")
        return await self._deliver([(number, field, value)], channel, ts)

    @contextlib.contextmanager
    def held(self) -> Iterator[list[tuple[Number, str, dict[str, Any]]]]:
        """Collect changes instead of delivering them."""
        held: list[tuple[Number, str, dict[str, Any]]] = []
        self._held = held
        try:
            yield held
        finally:
            self._held = None

    async def deliver_held(self, held: list[tuple[Number, str, dict[str, Any]]]) -> Said:
        """Deliver what was collected in one request."""
        return await self._deliver(held, "", "")

    async def raw(self, number: Number, body: bytes, signature: str | None = None) -> Said:
        """Deliver any body, signed unless a signature is given; it is not repeated."""
        delivery = Delivery(f"wh.{secrets.token_hex(6)}", number.phone_number_id, "", "")
        headers = signed(number.app_secret, body)
        if signature is not None:
            headers["X-Hub-Signature-256"] = signature
        attempt = await self._courier.deliver(Parcel(delivery, body, lambda *_: headers, retries=False))
        return said(delivery, attempt)

    async def _deliver(self, changes: list[tuple[Number, str, dict[str, Any]]], channel: str, ts: str) -> Said:
        if not changes:
            raise LookupError("There is nothing to tell.")
        number, body = changes[0][0], notification(changes)
        delivery = Delivery(f"wh.{secrets.token_hex(6)}", number.phone_number_id, channel, ts)
        headers = signed(number.app_secret, body)
        return said(delivery, await self._courier.deliver(Parcel(delivery, body, lambda *_: headers)))


def notification(changes: list[tuple[Number, str, dict[str, Any]]]) -> bytes:
    """Return the body: an entry for each account, and in it a change for each number and field."""
    entries: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for number, field, value in changes:
        known = entries.setdefault(number.account, {})
        change = known.setdefault((number.phone_number_id, field), {"field": field, "value": {}})
        whole = change["value"]
        for name, content in value.items():
            whole[name] = [*whole[name], *content] if name in MERGED and name in whole else content
    told = [_entry(account, list(known.values())) for account, known in entries.items()]
    return orjson.dumps({"object": "whatsapp_business_account", "entry": told})


def _entry(account: str, changes: list[dict[str, Any]]) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": account, "changes": changes}
    if any(change["field"] != "messages" for change in changes):
        entry["time"] = int(time.time())
    return entry


def signed(app_secret: str, body: bytes) -> dict[str, str]:
    """Return the headers of a delivery."""
    digest = hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "User-Agent": "facebookexternalua",
        "X-Hub-Signature-256": f"sha256={digest}",
    }


def value_of(number: Number, **fields: Any) -> dict[str, Any]:
    """Return a change's value about a number."""
    metadata = {
        "display_phone_number": number.display_phone_number,
        "phone_number_id": number.phone_number_id,
    }
    return {"messaging_product": "whatsapp", "metadata": metadata, **fields}

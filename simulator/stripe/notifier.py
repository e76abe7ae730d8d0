"""Stripe's webhooks: events signed and sent, whole or thin, again and again until a 2xx, in no order."""

import asyncio
import hashlib
import hmac
import random
import time
from datetime import UTC, datetime
from typing import Any

import orjson

from simulator.delivery import Courier, Delivery, Parcel, Said, said
from simulator.stripe.account import Account
from simulator.stripe.options import Options

Thing = dict[str, Any]


class Notifier:
    """Tells the account's webhook. Events go out beside each other, after the request that caused them."""

    def __init__(self, courier: Courier, account: Account, options: Options) -> None:
        self._courier = courier
        self._account = account
        self._options = options
        self._held: list[Thing] = []
        self._under_way: set[asyncio.Task[Said]] = set()

    def tell(self, event: Thing) -> None:
        """Send an event soon, or hold it."""
        if self._options.hold_events:
            self._held.append(event)
            return
        for _ in range(self._options.copies):
            self._send_later(event)

    async def send(self, event: Thing, *, secret: str | None = None, age_seconds: float = 0.0) -> Said:
        """Send one event now; returns after the first attempt. `secret`: another than the account's."""
        thin = self._options.payload == "thin" and event["object"] == "event"
        told = thinned(event) if thin else event
        if thin and not self._options.names_snapshots:
            told["snapshot_event"] = None
        sent = await self.raw(orjson.dumps(told), event["id"], secret, age_seconds)
        if sent.status is not None and 200 <= sent.status < 300:
            event["pending_webhooks"] = 0
        return sent

    async def raw(self, body: bytes, event_id: str = "", secret: str | None = None, age_seconds: float = 0.0) -> Said:
        """Send any bytes, well signed."""
        delivery = Delivery(event_id, self._account.id, "", "")
        secrets = self._account.webhook_secrets if secret is None else (secret,)
        age = age_seconds or self._options.signature_age_seconds

        def headers(_retry: int, _reason: str) -> dict[str, str]:
            # Every attempt is signed anew: a retry after three days is as fresh as the first.
            return signed(body, secrets, time.time() - age)

        return said(delivery, await self._courier.deliver(Parcel(delivery, body, headers)))

    async def release(self, *, order: str = "kept", copies: int = 1, seed: int = 0) -> list[Said]:
        """Send what was held, one after the other; `order`: kept, reversed or shuffled."""
        held, self._held = self._held * copies, []
        if order == "shuffled":
            random.Random(seed).shuffle(held)  # noqa: S311 - repeatable chance, not a secret
        elif order == "reversed":
            held.reverse()
        return [await self.send(event) for event in held]

    async def settle(self) -> None:
        """Wait until the first attempt of everything so far was made."""
        while self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def stop(self) -> None:
        """Send no more."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def clear(self) -> None:
        """Forget what is held."""
        self._held.clear()

    def _send_later(self, event: Thing) -> None:
        task = asyncio.get_running_loop().create_task(self.send(event))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)


def thinned(event: Thing) -> Thing:
    """Return the notification that only says what to fetch."""
    about = event["data"]["object"]
    return {
        "id": f"{event['id']}_thin",
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "created": datetime.fromtimestamp(event["created"], UTC).isoformat().replace("+00:00", "Z"),
        "livemode": False,
        "context": None,
        "reason": None,
        "snapshot_event": event["id"],
        "related_object": {"id": about["id"], "type": about["object"], "url": _url(about)},
    }


def signed(body: bytes, secrets: tuple[str, ...], at: float) -> dict[str, str]:
    """Return the headers of a delivery: one v1 for each secret."""
    stamp = int(at)
    digests = [hmac.new(secret.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest() for secret in secrets]
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": ",".join([f"t={stamp}", *(f"v1={digest}" for digest in digests)]),
    }


def _url(about: Thing) -> str:
    place = {"checkout.session": "checkout/sessions", "subscription": "subscriptions"}
    return f"/v1/{place.get(about['object'], about['object'] + 's')}/{about['id']}"

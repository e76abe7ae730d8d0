"""What customers do on Stripe's pages, and what Stripe and the account's own staff do."""

from typing import Any

from simulator.delivery import Said
from simulator.stripe import customers, hosted, invoices, lifecycle, subscriptions
from simulator.stripe.call import Call
from simulator.stripe.refusal import missing
from simulator.stripe.store import Thing, new_id
from simulator.stripe.world import World

ACTS = (
    "complete_checkout",
    "expire_checkout",
    "use_card",
    "cancel",
    "keep",
    "resume",
    "renew",
    "pay",
    "set_status",
    "delete_customer",
    "go_down",
    "come_up",
    "send_event",
    "send_raw",
    "release",
)


class Admin:
    """Acts; each answers what it changed. `card`: ok, declined, action (needs 3-D Secure) or none."""

    def __init__(self, world: World) -> None:
        self._world = world

    def complete_checkout(self, session: str, card: str = "ok") -> Thing:
        """Give a card on the Checkout page and subscribe."""
        return hosted.complete(self._world, session, card)

    def expire_checkout(self, session: str) -> Thing:
        """Let a Checkout page end unused."""
        return hosted.expire(self._world, Call({}, (session,)))

    def use_card(self, customer: str, card: str = "ok") -> Thing:
        """Put another card on record; what is overdue is tried at once, as the portal does."""
        self._world.store.get("customer", customer)
        self._world.cards[customer] = card
        for invoice in self._world.store.all("invoice"):
            if card == "ok" and invoice["customer"] == customer and invoice["status"] == "open":
                lifecycle.charge(self._world, invoice)
        return {"customer": customer, "card": card}

    def cancel(self, subscription: str, *, at_period_end: bool = False) -> Thing:
        """Cancel in the portal, now or with the period."""
        found = self._subscription(subscription)
        if not at_period_end:
            return lifecycle.end(self._world, found, "cancellation_requested")
        lifecycle.move(self._world, found, **subscriptions.end_with_period(self._world, found, stop=True))
        return found

    def keep(self, subscription: str) -> Thing:
        """Change one's mind before the period ends."""
        found = self._subscription(subscription)
        lifecycle.move(self._world, found, **subscriptions.end_with_period(self._world, found, stop=False))
        return found

    def resume(self, subscription: str) -> Thing:
        """Take up what was paused."""
        return lifecycle.resume(self._world, self._subscription(subscription))

    def renew(self, subscription: str, *, collect: bool = True) -> Thing:
        """Begin the next period now, whatever the clock says, and ask for its money."""
        invoice = lifecycle.renew(self._world, self._subscription(subscription))
        if collect and invoice["status"] == "draft":
            lifecycle.collect(self._world, invoice)
        return invoice

    def pay(self, invoice: str) -> Thing:
        """Try an open invoice again now."""
        found = self._world.store.get("invoice", invoice)
        lifecycle.charge(self._world, found)
        return found

    def set_status(self, subscription: str, status: str) -> Thing:
        """Put a subscription into any state, known or not."""
        found = self._subscription(subscription)
        lifecycle.move(self._world, found, status=status)
        return found

    def delete_customer(self, customer: str) -> Thing:
        """Delete a customer in the Dashboard."""
        return customers.delete(self._world, Call({}, (customer,)))

    def go_down(self, seconds: float = 3600.0) -> Thing:
        """Answer 503 to every call for so long, by the simulated clock."""
        self._world.options.down_until = self._world.clock.now() + seconds
        return {"down_until": self._world.options.down_until}

    def come_up(self) -> Thing:
        """Answer again."""
        self._world.options.down_until = 0.0
        return {}

    async def send_event(self, event: str | Thing, secret: str | None = None, age_seconds: float = 0.0) -> Said:
        """Send an event (again): one that happened, by its id, or any {type, data, …}; `secret` may be a wrong one."""
        if isinstance(event, str):
            found = self._world.store.find(event)
            if found is None:
                raise missing("event", event)
            return await self._world.notifier.send(found, secret=secret, age_seconds=age_seconds)
        defaults: dict[str, Any] = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": self._world.options.api_version,
            "created": self._world.now(),
            "livemode": False,
            "pending_webhooks": 1,
            "request": None,
        }
        return await self._world.notifier.send(defaults | event, secret=secret, age_seconds=age_seconds)

    async def send_raw(self, body: str, secret: str | None = None) -> Said:
        """Send any text, signed."""
        return await self._world.notifier.raw(body.encode(), new_id("raw"), secret)

    async def release(self, order: str = "kept", copies: int = 1, seed: int = 0) -> list[Said]:
        """Send the events that were held: kept, reversed or shuffled, each so many times."""
        return await self._world.notifier.release(order=order, copies=copies, seed=seed)

    def invoices_of(self, subscription: str) -> list[Thing]:
        """Return a subscription's invoices, oldest first."""
        return [one for one in self._world.store.all("invoice") if invoices.subscription_of(one) == subscription]

    def _subscription(self, id_: str) -> Thing:
        return self._world.store.get("subscription", id_)

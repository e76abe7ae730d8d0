"""What every part of the simulated Stripe shares."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulator.clock import Clock
from simulator.stripe.account import Account
from simulator.stripe.notifier import Notifier
from simulator.stripe.options import Options
from simulator.stripe.store import Store, Thing, new_id

# (price, customer, from, until) -> quantity: how much its meter counted of a customer.
Usage = Callable[[Thing, str, int, int], int]


@dataclass(slots=True)
class Cause:
    """The API request that is being performed: events say it."""

    request: str | None = None
    idempotency_key: str | None = None


@dataclass
class World:
    """The account and all that is in it. `cards`: what a customer's card does: ok, declined, action or none."""

    account: Account
    store: Store
    clock: Clock
    options: Options
    notifier: Notifier
    address: str = ""
    cards: dict[str, str] = field(default_factory=dict)
    usage: Usage = field(default=lambda _price, _customer, _begin, _end: 0)
    cause: Cause = field(default_factory=Cause)

    def now(self) -> int:
        """Return the simulated time as Stripe writes it: whole seconds."""
        return int(self.clock.now())

    def new(self, kind: str, prefix: str, **fields: Any) -> Thing:
        """Keep a new object of a kind."""
        told: Thing = {"id": new_id(prefix), "object": kind, "created": self.now(), "livemode": False, **fields}
        return self.store.add(told)

    def tell(self, type_: str, about: Thing, previous: Thing | None = None) -> Thing:
        """Record an event about an object as it is now, and send it."""
        content: Thing = {"object": self.store.expand(about, [])}
        if previous is not None:
            content["previous_attributes"] = previous
        event = self.new(
            "event",
            "evt",
            api_version=self.options.api_version,
            data=content,
            pending_webhooks=1,
            request={"id": self.cause.request, "idempotency_key": self.cause.idempotency_key},
            type=type_,
        )
        self.notifier.tell(event)
        return event

    def change(self, type_: str, thing: Thing, **changes: Any) -> Thing:
        """Change an object and tell of it, with what it was before; nothing where nothing changes."""
        previous = {name: thing.get(name) for name, value in changes.items() if thing.get(name) != value}
        if previous:
            thing.update(changes)
            self.tell(type_, thing, previous)
        return thing

"""A clock under which things fall due: trials end, periods renew, failed payments are tried again."""

import time
from collections.abc import Callable, Iterator

from simulator.clock import Clock
from simulator.stripe import invoices, lifecycle
from simulator.stripe.store import Thing
from simulator.stripe.world import World

WARNING_SECONDS = 3 * lifecycle.DAY_SECONDS
Due = tuple[float, Callable[[], object]]


class Calendar(Clock):
    """Put forward, it does all that falls due on the way, each at its own time."""

    def __init__(self) -> None:
        super().__init__()
        self._world: World | None = None

    def follow(self, world: World) -> None:
        """Do what falls due in this world."""
        self._world = world

    def advance(self, seconds: float) -> float:
        """Put it forward; return how far it is ahead now. Raises ValueError for a way back."""
        if seconds < 0:
            raise ValueError("the clock does not go back")
        self.catch_up(self.now() + seconds)
        return self.ahead_seconds

    def catch_up(self, until: float | None = None) -> None:
        """Do what has fallen due until then, or until now."""
        target = self.now() if until is None else until
        world = self._world
        while world is not None and (due := min(_due(world), key=lambda one: one[0], default=None)):
            if due[0] > target:
                break
            self._reach(due[0])
            due[1]()
        self._reach(target)

    def _reach(self, at: float) -> None:
        self.ahead_seconds = max(self.ahead_seconds, at - time.time())


def _due(world: World) -> Iterator[Due]:
    for invoice in world.store.all("invoice"):
        if invoice["status"] == "draft" and invoice.get("automatically_finalizes_at"):
            yield invoice["automatically_finalizes_at"], lambda invoice=invoice: lifecycle.collect(world, invoice)  # type: ignore[misc]
        elif invoice["status"] == "open" and invoice["next_payment_attempt"]:
            yield invoice["next_payment_attempt"], lambda invoice=invoice: lifecycle.charge(world, invoice)  # type: ignore[misc]
    for subscription in world.store.all("subscription"):
        if subscription["ended_at"] is None and subscription["status"] != "paused":
            yield from _of_subscription(world, subscription)


def _of_subscription(world: World, subscription: Thing) -> Iterator[Due]:
    ends = min(item["current_period_end"] for item in subscription["items"]["data"])
    if subscription["status"] == "incomplete":
        yield subscription["created"] + lifecycle.INCOMPLETE_SECONDS, lambda: _expire(world, subscription)
    elif subscription["status"] == "trialing":
        if not subscription.get("_warned"):
            warns = max(subscription["trial_end"] - WARNING_SECONDS, subscription["created"])
            yield warns, lambda: _warn(world, subscription)
        yield subscription["trial_end"], lambda: _after_trial(world, subscription)
    elif subscription["cancel_at_period_end"]:
        yield ends, lambda: lifecycle.end(world, subscription, "cancellation_requested")
    else:
        yield ends, lambda: lifecycle.renew(world, subscription)


def _expire(world: World, subscription: Thing) -> None:
    invoice = world.store.get("invoice", subscription["latest_invoice"])
    invoices.void(world, invoice)
    lifecycle.move(world, subscription, status="incomplete_expired", ended_at=world.now())


def _warn(world: World, subscription: Thing) -> None:
    subscription["_warned"] = True
    world.tell("customer.subscription.trial_will_end", subscription)


def _after_trial(world: World, subscription: Thing) -> None:
    if subscription["cancel_at_period_end"]:
        lifecycle.end(world, subscription, "cancellation_requested")
    else:
        lifecycle.end_trial(world, subscription)

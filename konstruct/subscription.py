"""What Stripe's events say of a subscription: a pure function of their set, whatever their order and number."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

SERVED = frozenset({"trialing", "active"})
OVERDUE = frozenset({"past_due", "unpaid"})
# Begun in Checkout and not (yet) paid: nothing follows from it, neither service nor its end.
PENDING = frozenset({"incomplete", "incomplete_expired"})
KNOWN = SERVED | OVERDUE | PENDING | {"paused", "canceled"}

# Of events in the same second: what was fetched is newer than what told of it, an end later than a beginning.
FETCHED = 9
_RANKS = {"customer.subscription.created": 0, "customer.subscription.deleted": 2}
_RANK = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A subscription as it was at one moment. Times are Unix seconds; `prices`: ids of Stripe's prices."""

    id: str
    customer: str
    status: str
    prices: tuple[str, ...]
    started_at: int
    ended_at: int | None = None
    period_start_at: int | None = None
    period_end_at: int | None = None
    trial_ends_at: int | None = None
    cancels_at: int | None = None
    plan: str | None = None  # as we noted it when the subscription was made

    @property
    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"prices": list(self.prices)}

    @classmethod
    def recalled(cls, stored: Mapping[str, Any]) -> "Snapshot":
        """From JSON."""
        return cls(**{**stored, "prices": tuple(stored["prices"])})


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one event showed. `place` orders what was fetched: Stripe's clock knows whole seconds only."""

    event: str
    at: int  # Unix seconds, by Stripe's clock
    rank: int
    snapshot: Snapshot
    place: int = 0

    @property
    def order(self) -> tuple[int, int, int, str]:
        """Later is greater."""
        return (self.at, self.rank, self.place if self.rank == FETCHED else 0, self.event)


@dataclass(frozen=True, slots=True)
class Standing:
    """A subscription now. `overdue_since` and `suspends_at` are Unix seconds; the latter None: service goes on."""

    snapshot: Snapshot
    observed_at: int
    overdue_since: int | None
    suspends_at: int | None

    @property
    def known(self) -> bool:
        """Whether the status is one that we know; any other is served, and an operator is told."""
        return self.snapshot.status in KNOWN


def is_live(status: str, ended_at: object) -> bool:
    """Whether Stripe goes on to invoice a subscription, or would when its payment is mended."""
    return ended_at is None and status not in PENDING and status != "canceled"


def rank_of(type_: str) -> int:
    """Where an event of this type stands among others of the same second."""
    return _RANKS.get(type_, _RANK)


def standing(sightings: Iterable[Sighting], grace: timedelta) -> Standing:
    """What follows from the set of sightings of one subscription, which is not empty."""
    ordered = sorted(sightings, key=lambda one: one.order)
    last = ordered[-1]
    overdue = _since(ordered, OVERDUE) if last.snapshot.status in OVERDUE else None
    return Standing(last.snapshot, last.at, overdue, _suspends_at(ordered, overdue, grace))


def former_plans(
    sightings: Iterable[Sighting], plan_of: Callable[[Snapshot], str | None]
) -> list[tuple[str | None, int]]:
    """The plans that it was to before, in order, each with when it was left; the first was its plan from the start."""
    ordered = sorted(sightings, key=lambda one: one.order)
    # When Stripe was asked is chance: what it answered counts as the last word only.
    shown = [one for one in ordered if one.rank != FETCHED] or ordered
    seen = [(plan_of(one.snapshot), one.at) for one in (*shown, ordered[-1])]
    return [(before, at) for (before, _), (after, at) in pairwise(seen) if before != after]


def in_doubt(sightings: Sequence[Sighting], new: Sighting) -> bool:
    """Whether the second cannot say which came last: then the subscription itself must be asked for."""
    rivals = [one for one in sightings if one.at == new.at and one.rank in (new.rank, FETCHED)]
    newest = max((one.order[:2] for one in sightings if one.rank != FETCHED), default=new.order[:2])
    return newest <= new.order[:2] and any(rival.snapshot != new.snapshot for rival in rivals)


def suspension(standings: Iterable[tuple[str, int | None]]) -> int | None:
    """When a tenant's service ends, of its subscriptions' (status, suspends_at); None while one serves it."""
    counted = [ends for status, ends in standings if status not in PENDING]
    if not counted or None in counted:
        return None
    return max(ends for ends in counted if ends is not None)


def moment(seconds: float | None) -> datetime | None:
    """For PostgreSQL and people."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _suspends_at(ordered: list[Sighting], overdue: int | None, grace: timedelta) -> int | None:
    last = ordered[-1].snapshot
    if last.status == "past_due" and overdue is not None:
        return overdue + int(grace.total_seconds())
    if last.status == "unpaid":
        return _since(ordered, {"unpaid"})
    if last.status == "paused":
        return _since(ordered, {"paused"})
    if last.status == "canceled":
        return last.ended_at or ordered[-1].at
    return None


def _since(ordered: list[Sighting], statuses: Iterable[str]) -> int:
    """When the statuses that it has had since then began, by the events: when Stripe was asked is chance."""
    begun, wanted = ordered[-1].at, frozenset(statuses)
    for one in reversed([one for one in ordered if one.rank != FETCHED]):
        if one.snapshot.status not in wanted:
            break
        begun = one.at
    return begun

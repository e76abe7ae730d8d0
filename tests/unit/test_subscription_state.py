"""A subscription's state is a function of the set of its events: the pure part, on a recorded history.

Orders as PostgreSQL sees them: `tests/database/test_subscription_permutations.py`.
"""

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct.billing.event import event_of, snapshot_of, subscription_of
from konstruct.subscription import (
    FETCHED,
    OVERDUE,
    Sighting,
    Snapshot,
    Standing,
    former_plans,
    in_doubt,
    rank_of,
    standing,
    suspension,
)  # fmt: skip
from tests.stripe_history import recorded

GRACE = timedelta(days=7)
DAY = 86_400
PERMUTATIONS = 100
SNAPSHOT = Snapshot("sub_1", "cus_1", "active", ("price_1",), started_at=1000)


def sightings_of(events: list[dict[str, Any]]) -> dict[str, list[Sighting]]:
    """As the webhook keeps them: each event once, by subscription."""
    kept: dict[str, dict[str, Sighting]] = {}
    for raw in events:
        event = event_of(raw)
        snapshot = snapshot_of(event.about) if event.type.startswith("customer.subscription.") else None
        if snapshot is not None:
            sighting = Sighting(event.id, event.at, rank_of(event.type), snapshot)
            kept.setdefault(subscription_of(event.about), {}).setdefault(event.id, sighting)
    return {id_: list(seen.values()) for id_, seen in kept.items()}


def state_of(events: list[dict[str, Any]]) -> tuple[dict[str, Standing], int | None]:
    """Every subscription, and when the tenant's service ends."""
    standings = {id_: standing(seen, GRACE) for id_, seen in sightings_of(events).items()}
    return standings, suspension((one.snapshot.status, one.suspends_at) for one in standings.values())


def test_a_shuffled_history_with_duplicates_ends_in_the_state_of_the_sorted_one() -> None:
    history = recorded()
    wanted = state_of(sorted(history, key=lambda event: (event["created"], event["id"])))
    statuses = sorted(one.snapshot.status for one in wanted[0].values())
    assert statuses == ["canceled", "past_due"]
    for seed in range(PERMUTATIONS):
        chance = random.Random(seed)
        shuffled = history + chance.choices(history, k=chance.randrange(len(history)))
        chance.shuffle(shuffled)
        assert state_of(shuffled) == wanted, f"seed {seed}"


def test_the_recorded_history_is_a_realistic_one() -> None:
    seen = sightings_of(recorded())
    assert {one.snapshot.status for many in seen.values() for one in many} >= {
        "trialing", "active", "past_due", "unpaid", "canceled", "incomplete",
    }  # fmt: skip
    times = [(one.at, one.rank) for many in seen.values() for one in many]
    assert len(times) > len(set(times)), "some events share a second, as they do in life"


def test_the_last_state_of_the_history_is_what_the_double_had_at_its_end() -> None:
    standings, ends = state_of(recorded())
    second = next(one for one in standings.values() if one.snapshot.status == "past_due")
    assert second.overdue_since == second.observed_at
    assert ends == second.observed_at + 7 * DAY


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["active", "past_due", "unpaid", "odd"])), min_size=1),
       st.randoms())  # fmt: skip
def test_any_set_of_sightings_gives_one_state(seen: list[tuple[int, str]], chance: random.Random) -> None:
    sightings = [Sighting(f"evt_{n}", at, 1, replace(SNAPSHOT, status=status)) for n, (at, status) in enumerate(seen)]
    shuffled = [*sightings, *sightings[: len(sightings) // 2]]
    chance.shuffle(shuffled)
    assert standing(shuffled, GRACE) == standing(sightings, GRACE)


def sighting(event: str, at: int, status: str, rank: int = 1, place: int = 0) -> Sighting:
    return Sighting(event, at, rank, replace(SNAPSHOT, status=status), place)


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_different_events_in_one_second_the_time_does_not_tell_the_last(order: int) -> None:
    first, second = [sighting("a", 5, "active"), sighting("b", 5, "past_due")][::order]
    assert not in_doubt([], first)
    assert in_doubt([first], second)
    assert not in_doubt([first, sighting("c", 6, "active")], second), "what is over is of no interest"


def test_a_beginning_is_before_a_change_and_an_end_after_it_in_the_same_second() -> None:
    begun, changed = sighting("z", 5, "incomplete", 0), sighting("m", 5, "active")
    ended = sighting("a", 5, "canceled", 2)
    assert not in_doubt([begun], changed)
    assert not in_doubt([changed], begun)
    assert standing([ended, changed, begun], GRACE).snapshot.status == "canceled"


def test_what_stripe_answered_last_counts_among_answers_of_the_same_second() -> None:
    asked = [sighting("a", 5, "active", FETCHED, place=1), sighting("b", 5, "past_due", FETCHED, place=2)]
    assert standing([*asked[::-1], sighting("c", 5, "active")], GRACE).snapshot.status == "past_due"
    assert in_doubt(asked, sighting("d", 5, "active")), "it may have happened after the answer"


def moved(event: str, at: int, price: str, rank: int = 1) -> Sighting:
    return Sighting(event, at, rank, replace(SNAPSHOT, prices=(price,)))


def plan_of(snapshot: Snapshot) -> str | None:
    return {"price_1": "team", "price_2": "firm"}.get(snapshot.prices[0])


def test_a_subscription_had_each_plan_until_an_event_showed_another() -> None:
    seen = [moved("a", 0, "price_1"), moved("b", 5, "price_1"), moved("c", 9, "price_0"), moved("d", 12, "price_2")]
    assert former_plans(seen[::-1], plan_of) == [("team", 9), (None, 12)]
    assert former_plans(seen[:2], plan_of) == []


def test_what_stripe_answered_dates_no_move_unless_it_is_the_last_word() -> None:
    """Asked because of an old event, it shows what the subscription is now."""
    asked = moved("a", 0, "price_2", FETCHED)
    assert former_plans([moved("a", 0, "price_1"), asked, moved("b", 5, "price_1")], plan_of) == []
    assert former_plans([moved("a", 0, "price_1"), asked], plan_of) == [("team", 0)]
    assert former_plans([asked, moved("b", 7, "price_1", FETCHED)], plan_of) == [("firm", 7)]


def test_overdue_is_served_through_its_grace_and_counts_from_the_first_failure() -> None:
    seen = [sighting("a", 0, "active"), sighting("b", 100, "past_due"), sighting("c", 100 + DAY, "past_due")]
    found = standing(seen, GRACE)
    assert (found.overdue_since, found.suspends_at) == (100, 100 + 7 * DAY)
    paid = standing([*seen, sighting("d", 100 + 2 * DAY, "active")], GRACE)
    assert (paid.overdue_since, paid.suspends_at) == (None, None)


@pytest.mark.parametrize(
    ("status", "ends"),
    [("trialing", None), ("active", None), ("incomplete", None), ("paused", 50), ("unpaid", 50), ("canceled", 50),
     ("in_arrears_of_tomorrow", None)],
)  # fmt: skip
def test_every_state_has_its_end_of_service_and_an_unknown_one_has_none(status: str, ends: int | None) -> None:
    found = standing([sighting("a", 0, "active"), sighting("b", 50, status), sighting("c", 60, status)], GRACE)
    assert found.suspends_at == (60 if status == "canceled" else ends)
    assert found.known is (status != "in_arrears_of_tomorrow")
    assert (found.overdue_since is not None) is (status in OVERDUE)


def test_a_tenant_is_served_while_any_subscription_serves_it() -> None:
    assert suspension([]) is None
    assert suspension([("canceled", 5), ("active", None)]) is None
    assert suspension([("canceled", 5), ("past_due", 9)]) == 9
    assert suspension([("canceled", 5), ("incomplete", None)]) == 5
    assert suspension([("incomplete_expired", None)]) is None, "an abandoned Checkout ends nothing"

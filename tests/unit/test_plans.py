"""Plans: read from a file, and what usage costs by them, in whole numbers only."""

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct.errors import PlansInvalid
from konstruct.plans import MICROS_PER_CENT, Plan, parse

TEAM: dict[str, Any] = {
    "name": "team",
    "monthly_fee_micros": 49_000_000,
    "unit": "micros",
    "included": 20_000_000,
    "overage_micros": 1_250_000,
    "overage_per": 1_000_000,
    "event_name": "konstruct_cost",
}


def test_what_is_included_costs_nothing_and_the_rest_its_price() -> None:
    plan = Plan(**TEAM)
    within, beyond = plan.reckon(20_000_000), plan.reckon(24_000_001)
    assert (within.over, within.cents) == (0, 0)
    assert (beyond.included, beyond.over, beyond.over_micros, beyond.cents) == (20_000_000, 4_000_001, 5_000_001, 500)
    assert beyond.rounding_micros == -1


@given(
    st.integers(0, 10**15), st.integers(0, 10**12), st.integers(0, 10**9), st.integers(1, 10**9)
)  # fmt: skip
def test_a_reckoning_adds_up_exactly_and_rounds_as_stripe_does(used: int, included: int, micros: int, per: int) -> None:
    plan = Plan(**TEAM | {"included": included, "overage_micros": micros, "overage_per": per})
    one = plan.reckon(used)
    assert one.included + one.over == used
    assert one.over_micros + one.rounding_micros == one.cents * MICROS_PER_CENT
    exact = Decimal(one.over * micros) / (per * MICROS_PER_CENT) if one.over * micros < 10**20 else None
    if exact is not None:
        assert one.cents == int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def test_more_usage_never_costs_less() -> None:
    plan = Plan(**TEAM)
    costs = [plan.reckon(used).cents for used in range(19_990_000, 20_100_000, 777)]
    assert costs == sorted(costs)


def test_the_plans_that_are_documented_are_accepted() -> None:
    document = (Path(__file__).parents[2] / "docs" / "billing.md").read_text()
    (block,) = [part.split("```")[0] for part in document.split("```yaml\n")[1:] if part.startswith("plans:")]
    assert [plan.name for plan in parse(block).plans] == ["team"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"monthly_fee_micros": 1}, "monthly_fee_micros"),
        ({"included": -1}, "included"),
        ({"unit": "hours"}, "unit"),
        ({"overage_per": 0}, "overage_per"),
        ({"overage_micros": 0.5}, "overage_micros"),
        ({"name": "Team!"}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_broken_plan_is_refused_with_a_sentence(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(PlansInvalid, match=told):
        parse(f"plans: [{TEAM | changes}]")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[", "not YAML"),
        ("plans: 5", "plans: Input should be a valid tuple"),
        ("{plans: [], more: 1}", "more: Extra inputs"),
        (f"plans: [{TEAM}, {TEAM}]", "two plans named team"),
        (f"plans: [{TEAM}, {TEAM | {'name': 'other', 'unit': 'tokens'}}]", "two kinds of unit"),
    ],
)
def test_a_broken_file_is_refused_with_a_sentence(text: str, told: str) -> None:
    with pytest.raises(PlansInvalid, match=told):
        parse(text)

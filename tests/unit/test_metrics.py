"""Metrics: every name is declared once, and every declared name is measured somewhere."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from konstruct import metrics
from konstruct.metrics import COUNTERS, GAUGES, HISTOGRAMS, SECONDS_BUCKETS, Tally, Unmeasured
from tests.unit.sources import parsed

ROOT = Path(__file__).parents[2]
DECLARED = {"count": set(COUNTERS), "observe": set(HISTOGRAMS), "gauge": set(GAUGES)}


def measured() -> dict[str, set[str]]:
    """Names by kind, as they stand in calls such as `metrics.count("name", …)`."""
    found: dict[str, set[str]] = defaultdict(set)
    for folder in ("konstruct", "actors", "deployments"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(parsed(path)):
                match node:
                    case ast.Call(func=ast.Attribute(attr=kind), args=[ast.Constant(value=str(name)), *_]):
                        if kind in DECLARED and name.startswith("konstruct_"):
                            found[kind].add(name)
    return found


def test_only_declared_names_are_measured_and_all_of_them_are() -> None:
    assert measured() == DECLARED


def test_names_follow_the_conventions_of_prometheus() -> None:
    assert all(name.endswith("_total") for name in COUNTERS)
    assert all(name.endswith("_seconds") for name in HISTOGRAMS)
    names = [*COUNTERS, *HISTOGRAMS, *GAUGES]
    assert len(names) == len(set(names))
    assert all(name.startswith("konstruct_") for name in names)


def test_buckets_rise() -> None:
    assert sorted(set(SECONDS_BUCKETS)) == SECONDS_BUCKETS


def test_measuring_nothing_takes_everything() -> None:
    nowhere: metrics.Metrics = Unmeasured()
    nowhere.count("konstruct_turns_total", "answered")
    nowhere.observe("konstruct_ack_seconds", 0.1)
    nowhere.gauge("konstruct_inbox_waiting", 1)


def test_observations_become_the_series_of_a_prometheus_histogram() -> None:
    tally = Tally()
    for seconds in (0.001, 0.002, 0.3, 0.3, 100.0):
        tally.observe("konstruct_turn_seconds", seconds, "recall")
    tally.count("konstruct_turns_total", "committed", 2)
    tally.count("konstruct_turns_total", "committed")
    taken = [(name, labels["kind"], labels.get("le"), by) for name, labels, by in tally.take()]
    buckets = {bound: by for name, _, bound, by in taken if name == "konstruct_turn_seconds_bucket"}
    assert list(buckets) == [*map(str, SECONDS_BUCKETS), "+Inf"]
    assert [buckets[bound] for bound in ("0.002", "0.2", "0.5", "60", "+Inf")] == [2, 2, 4, 4, 5]
    assert sorted(row for row in taken if row[2] is None) == [
        ("konstruct_turn_seconds_count", "recall", None, 5),
        ("konstruct_turn_seconds_sum", "recall", None, pytest.approx(100.603)),
        ("konstruct_turns_total", "committed", None, 3),
    ]
    assert list(tally.take()) == []


def test_nothing_is_told_of_what_did_not_rise() -> None:
    tally = Tally()
    tally.count("konstruct_model_tokens_total", "prompt", 0)
    assert list(tally.take()) == []

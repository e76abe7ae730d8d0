"""A workspace's rate limits."""

import pytest

from konstruct.channels.slack.pace import PER_MINUTE, Pace


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("method", PER_MINUTE)
def test_no_minute_sees_more_calls_than_the_tier_allows(method: str) -> None:
    clock = Hand()
    pace = Pace(clock)
    calls = []
    for _ in range(3_000):
        if not pace.wait(method):
            pace.spend(method)
            calls.append(clock.now)
        clock.now += 0.1
    assert len(calls) > 2 * PER_MINUTE[method]
    assert max(sum(begin <= at < begin + 60 for at in calls) for begin in calls) <= PER_MINUTE[method]


def test_the_wait_is_as_long_as_it_takes() -> None:
    clock = Hand()
    pace = Pace(clock)
    while not pace.wait("chat.update", 3):
        pace.spend("chat.update")
    clock.now += pace.wait("chat.update", 3) + 0.001
    assert pace.wait("chat.update", 3) == 0
    assert pace.wait("chat.update", 5) > 0


def test_what_must_go_out_is_counted_and_delays_what_can_wait() -> None:
    clock = Hand()
    pace = Pace(clock)
    for _ in range(100):
        pace.spend("chat.update")
    assert pace.wait("chat.update") > 120
    assert pace.wait("chat.appendStream") == 0
    pace.spend("chat.postMessage")
    assert pace.wait("chat.postMessage") == 0


def test_slacks_own_limit_counts_for_that_method() -> None:
    clock = Hand()
    pace = Pace(clock)
    pace.limited("chat.appendStream", 7)
    assert pace.wait("chat.appendStream") == 7
    assert pace.wait("chat.update") == 0
    clock.now += 7
    assert pace.wait("chat.appendStream") == 0

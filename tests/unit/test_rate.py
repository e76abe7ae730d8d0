"""How often in the last minute."""

from hypothesis import given
from hypothesis import strategies as st

from konstruct.rate import MINUTE_SECONDS, Rate


@given(pauses=st.lists(st.integers(0, 40), max_size=60), limit=st.integers(1, 6))
def test_in_no_minute_more_than_the_limit_and_what_waits_as_long_as_told_may(pauses: list[int], limit: int) -> None:
    rate, now, happened = Rate(), 0.0, []
    for pause in pauses:
        now += pause
        now += rate.wait(limit, now)
        assert rate.wait(limit, now) == 0
        rate.note(now)
        happened.append(now)
        assert sum(now - MINUTE_SECONDS < at <= now for at in happened) <= limit


def test_below_the_limit_nobody_waits() -> None:
    rate = Rate()
    for _ in range(3):
        assert rate.wait(3, 5.0) == 0
        rate.note(5.0)
    assert rate.wait(3, 6.0) == 59.0


def test_after_a_minute_it_is_idle() -> None:
    rate = Rate()
    assert rate.idle(0.0)
    rate.note(0.0)
    assert not rate.idle(59.0)
    assert rate.idle(60.0)

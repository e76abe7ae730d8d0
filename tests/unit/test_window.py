"""The window: bounded, in order, and the newest entry is always there."""

from hypothesis import given
from hypothesis import strategies as st

from konstruct.messages import Spoken
from konstruct.window import WINDOW_CHARS, WINDOW_ENTRIES, slide

texts = st.one_of(st.text(max_size=20), st.integers(0, 40_000).map(lambda n: "x" * n))
entries = st.lists(st.builds(Spoken, st.sampled_from(["contact", "employee"]), texts, st.integers(0, 99)), max_size=40)


@given(entries, entries)
def test_the_window_never_exceeds_its_bounds(window: list[Spoken], spoken: list[Spoken]) -> None:
    kept = slide(window, spoken)
    assert len(kept) <= WINDOW_ENTRIES
    # One entry longer than the whole window stays: the message to be answered is never dropped.
    assert len(kept) <= 1 or sum(len(entry.text) for entry in kept) <= WINDOW_CHARS


@given(entries, entries)
def test_order_is_kept_and_only_the_oldest_are_dropped(window: list[Spoken], spoken: list[Spoken]) -> None:
    kept = slide(window, spoken)
    everything = tuple(window + spoken)
    assert kept == everything[len(everything) - len(kept) :]


@given(entries, entries.filter(bool))
def test_the_newest_entry_is_always_there(window: list[Spoken], spoken: list[Spoken]) -> None:
    assert slide(window, spoken)[-1] == spoken[-1]


@given(entries, entries)
def test_nothing_is_dropped_without_need(window: list[Spoken], spoken: list[Spoken]) -> None:
    everything = window + spoken
    kept = slide(window, spoken)
    if len(kept) < len(everything):
        one_more = everything[len(everything) - len(kept) - 1 :]
        assert len(one_more) > WINDOW_ENTRIES or sum(len(entry.text) for entry in one_more) > WINDOW_CHARS


@given(entries, entries, entries)
def test_sliding_step_by_step_ends_where_sliding_at_once_does(
    window: list[Spoken], first: list[Spoken], second: list[Spoken]
) -> None:
    # A host that kept its window and one that rebuilt it from the rows must tell the model the same.
    assert slide(slide(window, first), second) == slide(window, first + second)


def test_an_empty_window_stays_empty() -> None:
    assert slide((), ()) == ()

"""Markdown cut into blocks, and answers split between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct.markdown import blocks, cells
from konstruct.parts import split

LINES = st.sampled_from(
    ["", "words and words", "- an item", "# a heading", "```", "```python", "~~~", "  ```", "x = 1 | 2", "\tindented",
     "| a | b |", "|---|--:|", "| 1 | 2 |", "a very long line " * 12, "😀" * 30, "[[Yes | No]]"]
)  # fmt: skip
TEXTS = st.lists(LINES, max_size=40).map("\n".join)


@given(TEXTS)
def test_all_blocks_of_a_text_make_the_text(text: str) -> None:
    assert "".join(block.text for block in blocks(text)) == text


def test_fences_tables_and_paragraphs_are_told_apart() -> None:
    text = "Look:\n\n```py\n| no | table |\n|----|-------|\n```\n| a | b |\n|---|---|\n| 1 | 2 |\nafter\n"
    assert [block.kind for block in blocks(text)] == ["prose", "fence", "table", "prose"]


def test_a_fence_is_closed_only_by_its_own_mark() -> None:
    assert [b.kind for b in blocks("````\n```\n````\nend")] == ["fence", "prose"]
    assert [b.kind for b in blocks("~~~\n```\n~~~\nend")] == ["fence", "prose"]
    assert [b.kind for b in blocks("```\nnever closed\n\nend")] == ["fence"]


def test_a_cell_may_hold_an_escaped_bar_and_the_outer_bars_may_be_missing() -> None:
    assert cells(r"| a \| b | c |") == ["a | b", "c"]
    assert cells("a | b") == ["a", "b"]


@given(TEXTS, st.integers(60, 400))
def test_no_part_is_too_long_and_no_word_is_lost(text: str, longest: int) -> None:
    parts = split(text, longest, len)
    assert all(len(part) <= longest for part in parts)
    assert parts
    joined = "".join(parts)
    for word in ("words", "item", "heading", "long", "indented", "😀", "Yes", "= 1"):
        assert joined.count(word) >= text.count(word)


@given(TEXTS, st.integers(120, 400))
def test_no_part_ends_inside_a_code_fence_but_the_last(text: str, longest: int) -> None:
    for part in split(text, longest, len)[:-1]:
        last = blocks(part)[-1]
        assert last.kind != "fence" or (len(last.lines) > 1 and last.lines[-1].strip() in ("```", "~~~"))


def test_a_text_that_fits_is_one_part_unchanged() -> None:
    assert split("  as it is \n", 100, len) == ["  as it is \n"]


def test_a_long_code_block_is_closed_and_opened_again() -> None:
    code = "".join(f"line {n}\n" for n in range(40))
    parts = split(f"Here:\n\n```python\n{code}```\n\nDone.", 120, len)
    assert len(parts) > 2
    assert all(part.count("```") % 2 == 0 for part in parts)
    assert all("```python\nline" in part for part in parts[1:-1])
    assert [line for part in parts for line in part.splitlines() if line.startswith("line")] == code.splitlines()


def test_a_long_table_repeats_its_header() -> None:
    rows = "".join(f"| row {n} | {n * n} |\n" for n in range(30))
    parts = split(f"| Name | Square |\n|---|---|\n{rows}", 150, len)
    assert len(parts) > 2
    assert all(part.startswith("| Name | Square |\n|---|---|\n| row") for part in parts)
    assert [line for part in parts for line in part.splitlines() if "row" in line] == rows.splitlines()


@pytest.mark.parametrize("text", ["x" * 1000, "```\n" + "y" * 1000 + "\n```", "| a |\n|---|\n| " + "z" * 1000 + " |"])
def test_a_line_without_any_break_is_cut_all_the_same(text: str) -> None:
    parts = split(text, 100, len)
    assert all(len(part) <= 100 for part in parts)
    assert sum(part.count(text[500]) for part in parts) >= 1000


def test_nothing_but_space_is_still_a_part() -> None:
    assert split(" " * 500, 100, len) == [" "]

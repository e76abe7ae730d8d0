"""Markdown as it is sent to Slack: what people read."""

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from konstruct.channels.slack.rendering import LONGEST_FALLBACK_BYTES, fallback, length, render, settled
from konstruct.choices import split_choices
from tests.unit.test_markdown import TEXTS


def test_ordinary_markdown_is_sent_as_it_is() -> None:
    text = "# Hello\n\n**bold** and `5 < 6 & 7`\n\n- one\n- two\n\n```py\nprint('<a>')\n```"
    assert render(text) == text


def test_a_table_becomes_aligned_code() -> None:
    table = "| Name | Price |\n|:--|--:|\n| **Tea** | 3 |\n| [Coffee](https://acme.example) | 12 |\n| 茶 | 7 |"
    assert render(f"Prices:\n\n{table}\n\nEnjoy.") == (
        "Prices:\n\n```\n"
        "Name                          │ Price\n"
        "----------------------------- │ -----\n"
        "Tea                           │     3\n"
        "Coffee (https://acme.example) │    12\n"
        "茶                            │     7\n"
        "```\n\nEnjoy."
    )


def test_a_table_too_wide_for_a_line_becomes_a_list() -> None:
    wide = render(f"| Plan | For whom | Note |\n|---|---|---|\n| Basic | {'many people ' * 8}| |\n")
    assert wide.startswith("- **Basic**\n    - For whom: many people")
    assert "Note" not in wide


def test_cells_over_the_header_are_kept() -> None:
    assert "3 | 4" in render("| a | b |\n|---|---|\n| 1 | 3 | 4 |")


def test_a_table_inside_a_code_block_stays() -> None:
    text = "```\n| a | b |\n|---|---|\n```"
    assert render(text) == text


def test_what_a_model_writes_calls_nobody() -> None:
    rendered = render("<!channel> <!here> <@U0ALICE> <#C0SHOP|shop> <!subteam^S1> <https://acme.example>")
    assert "<!" not in rendered and "<@" not in rendered and "<#" not in rendered
    assert "<https://acme.example>" in rendered
    assert rendered.replace("\u2060", "").startswith("<!channel>")


@settings(max_examples=300)
@given(TEXTS, st.integers(0, 400))
@example("```\n[[Yes | No]]\n\n", 5)
def test_what_is_settled_only_grows(text: str, seen: int) -> None:
    # A table without an outer bar is not seen to be one in time; then the whole message is edited.
    assume("x = 1 | 2\n|---" not in text)
    shown = render(settled(text[:seen]))
    later = render(settled(text))
    assert later.startswith(shown) or shown.startswith(later)
    assert render(split_choices(text)[0]).startswith(shown)


def test_an_unfinished_table_and_the_line_of_choices_are_held_back() -> None:
    assert settled("Prices:\n\n| a | b |\n|---|---|\n| 1 |") == "Prices:"
    assert settled("Prices:\n\n| a | b |\n|---|---|\n| 1 | 2 |\nmo") == "Prices:"
    assert settled("Which?\n[[Yes") == "Which?"
    assert settled("one two thr") == "one two thr"


def test_the_fallback_is_escaped_and_short_enough_to_be_edited() -> None:
    assert fallback("5 < 6 & 7") == "5 &lt; 6 &amp; 7"
    for text in ("<" * 9_000, "é" * 9_000, "😀" * 9_000, "words " * 2_000):
        assert len(fallback(text).encode()) <= LONGEST_FALLBACK_BYTES
        assert fallback(text).endswith("…")


def test_length_counts_what_is_rendered() -> None:
    assert length("😀a") == 3
    assert length("| a | b |\n|---|---|\n| 1 | " + "x" * 30 + " |") > 60

"""Choices at the end of an answer."""

import pytest

from konstruct.choices import split_choices


def test_the_last_line_offers_choices() -> None:
    assert split_choices("Which size?\n\n[[Small | Medium | Large]]\n") == ("Which size?", ("Small", "Medium", "Large"))


def test_what_is_offered_twice_is_offered_once() -> None:
    assert split_choices("Well?\n[[Yes|No|Yes]]") == ("Well?", ("Yes", "No"))


@pytest.mark.parametrize(
    "text",
    [
        "No choices here.",
        "[[Yes | No]]",
        "[[Yes | No]]\nand more",
        "See [[Yes | No]]",
        "Well?\n[[Yes]]",
        "Well?\n[[Yes | ]]",
        "Well?\n[[Yes | No]",
        "Well?\n[[a[0] | b]]",
        "Well?\n[[" + " | ".join(str(n) for n in range(11)) + "]]",
        "  \n[[Yes | No]]",
        "",
    ],
)
def test_anything_else_stays_as_it_is(text: str) -> None:
    assert split_choices(text) == (text, ())


def test_ten_choices_are_the_most() -> None:
    assert len(split_choices("Which?\n[[" + " | ".join(str(n) for n in range(10)) + "]]")[1]) == 10

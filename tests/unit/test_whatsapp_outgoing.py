"""What an answer becomes on WhatsApp: parts, buttons, lists, and how fast they go."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct.channels.emoji import lone_emoji
from konstruct.channels.whatsapp.choosing import chosen, offered
from konstruct.channels.whatsapp.outgoing import message, parts
from konstruct.channels.whatsapp.pacing import PAIR_BURST, Pacing
from konstruct.choices import split_choices
from konstruct.errors import ChannelBusy
from tests.unit.graph import reply

WHEN = ("Today", "Tomorrow", "Next week")


def sent(text: str) -> dict[str, Any]:
    return message(reply(), text, {})


def test_three_short_choices_become_buttons_and_come_back_as_their_text() -> None:
    asked = sent(f"When do you come?\n[[{' | '.join(WHEN)}]]")["interactive"]
    assert asked["body"]["text"] == "When do you come?"
    buttons = [button["reply"] for button in asked["action"]["buttons"]]
    assert [button["title"] for button in buttons] == list(WHEN)
    assert [chosen(button["id"], button["title"]) for button in buttons] == list(WHEN)


def test_more_or_longer_choices_become_a_list_whose_rows_come_back_whole() -> None:
    many = [f"Choice number {n}" for n in range(10)]
    long = ["Bring it back to the shop in person", "Send it"]
    for choices in (many, long):
        asked = sent(f"How?\n[[{' | '.join(choices)}]]")["interactive"]
        assert asked["type"] == "list"
        (section,) = asked["action"]["sections"]
        assert all(len(row["title"]) <= 24 for row in section["rows"])
        assert [chosen(row["id"], row["title"]) for row in section["rows"]] == choices


@pytest.mark.parametrize(
    "choices",
    [
        [],
        ["x" * 300, "y"],
        ["the very same beginning of one", "the very same beginning of two"],
        [str(n) for n in range(11)],
    ],
)
def test_choices_that_whatsapp_has_no_room_for_are_not_offered(choices: list[str]) -> None:
    assert offered("How?", choices) is None


def test_choices_without_room_are_written_out() -> None:
    text = f"How?\n[[{'x' * 300} | y]]"
    assert sent(text)["text"]["body"] == f"How?\n• {'x' * 300}\n• y"
    assert parts(text) == [f"How?\n• {'x' * 300}\n• y"]


def test_a_title_of_somebody_elses_button_is_what_was_chosen() -> None:
    assert chosen("cancel-button", "Cancel") == "Cancel"
    assert chosen("choice:", "Cancel") == "Cancel"


@given(st.text(st.characters(categories=["L", "P", "Zs"], include_characters="\n😀"), max_size=12_000), st.booleans())
def test_every_part_fits_into_one_message(text: str, with_choices: bool) -> None:
    whole = f"{text}\n[[Today | Tomorrow]]" if with_choices else text
    for part in parts(whole):
        said, choices = split_choices(part)
        assert len(part.encode("utf-16-le")) / 2 <= 4096 or choices
        if choices:
            assert offered(said, choices) is not None


def test_a_long_text_with_choices_is_said_first_and_its_end_asks() -> None:
    paragraphs = [f"{n}. " + "word " * 100 for n in range(12)]
    whole = "\n\n".join(paragraphs) + "\n[[Today | Tomorrow]]"
    *before, last = parts(whole)
    assert [message(reply(), part, {})["type"] for part in before] == ["text"] * len(before)
    assert message(reply(), last, {})["type"] == "interactive"
    assert " ".join(" ".join([*before, last]).split()) == " ".join(whole.split())


CODE = "```python\n" + "".join(f"line_{n:03} = {n:03}\n" for n in range(110)) + "```"
TABLE = "| name | price |\n|---|---|\n" + "".join(f"| line_{n:03} | {n:03} |\n" for n in range(80))


@pytest.mark.parametrize("said", [CODE, f"{CODE}\n\nWhich one?", TABLE, f"Look:\n\n{TABLE}\n{CODE}"])
def test_code_and_tables_before_choices_are_said_once_and_whole(said: str) -> None:
    shown = parts(f"{said}\n[[Today | Tomorrow]]")
    assert re.findall(r"line_\d+", " ".join(shown)) == re.findall(r"line_\d+", said)
    assert all(part.count("```") % 2 == 0 for part in shown)
    assert [message(reply(), part, {})["type"] for part in shown] == ["text"] * (len(shown) - 1) + ["interactive"]


@pytest.mark.parametrize("emoji", ["👍", "👍🏽", "❤️", "❤", "👩‍👩‍👧", "🇩🇪", "1️⃣", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "☺️", "🫡", " 🎉\n"])
def test_one_emoji_is_one_emoji(emoji: str) -> None:
    assert lone_emoji(emoji) == emoji.strip()


@pytest.mark.parametrize(
    "text", ["", " ", "ok", "👍👍", "👍 done", "1", "#", ":+1:", "\u200d", "🇩", "👍🏽!", "é", "\ufe0f"]
)
def test_anything_else_is_not(text: str) -> None:
    assert lone_emoji(text) == ""


@given(st.text(max_size=12))
def test_whatever_is_called_an_emoji_holds_no_letter(text: str) -> None:
    assert not any(character.isalpha() for character in lone_emoji(text) if character not in "ℹ™Ⓜ")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_contact_takes_a_burst_and_then_one_message_in_six_seconds() -> None:
    clock = Clock()
    pacing = Pacing(clock)
    for _ in range(PAIR_BURST):
        pacing.check("49")
        pacing.spend("49")
    with pytest.raises(ChannelBusy) as caught:
        pacing.check("49")
    assert 0 < caught.value.retry_after <= 6
    pacing.check("50")
    clock.now += caught.value.retry_after
    pacing.check("49")
    pacing.spend("49")
    with pytest.raises(ChannelBusy):
        pacing.check("49")


def test_pauses_grow_with_every_refusal_and_end_with_success() -> None:
    clock = Clock()
    pacing = Pacing(clock)
    assert [pacing.refuse("49") for _ in range(6)] == [4, 16, 64, 256, 256, 256]
    clock.now += 257
    pacing.check("49")
    pacing.accept("49")
    assert pacing.refuse("49") == 4

"""A prompt that is too long becomes shorter each time; who the employee is and the newest words stay."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from konstruct.models import chars_of
from konstruct.models.content import text_of
from konstruct.models.shortening import LEAST_CHARS, halved
from konstruct.models.size import tokens_at_most

SYSTEM = {"role": "system", "content": "You are Ada. " * 50}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
pieces = st.sampled_from(["да ", "word ", "字", "🙂", "x"])
texts = st.builds(lambda piece, times: piece * times, pieces, st.integers(0, 3000))
talks = st.lists(st.tuples(texts, texts), max_size=6)


def prompt_of(talk: list[tuple[str, str]], newest: Any) -> list[dict[str, Any]]:
    said = [one for asked, told in talk for one in (("user", asked), ("assistant", told))]
    return [SYSTEM, *({"role": role, "content": text} for role, text in said), {"role": "user", "content": newest}]


def chars(prompt: Any) -> int:
    return sum(chars_of(message["content"]) for message in prompt if message["role"] != "system")


@given(talks, texts, st.booleans())
def test_each_time_at_most_half_of_what_was_said_is_left_and_it_is_never_dearer(
    talk: list[tuple[str, str]], newest: str, seen: bool
) -> None:
    prompt: Any = prompt_of(talk, [{"type": "text", "text": newest}, PICTURE] if seen else newest)
    while (shorter := halved(prompt)) is not None:
        assert chars(shorter) <= chars(prompt) / 2
        assert shorter[0] == SYSTEM
        assert (shorter[1]["role"], shorter[-1]["role"]) == ("user", "user")
        for sees in (True, False):
            assert tokens_at_most(shorter, sees=sees) <= tokens_at_most(prompt, sees=sees)
        prompt = shorter
    assert chars(prompt) < 2 * LEAST_CHARS


def test_the_oldest_goes_first_and_the_newest_is_whole_while_it_can_be() -> None:
    shorter = halved(prompt_of([("a" * 900, "b" * 900), ("c" * 400, "d" * 400)], "What now?"))
    assert shorter is not None
    assert [message["content"][0] for message in shorter] == ["Y", "c", "d", "W"]


def test_at_last_the_newest_loses_its_pictures_and_then_its_middle() -> None:
    newest = [{"type": "text", "text": "Look: " + "x" * 3000 + " What is that?"}, PICTURE]
    blind = halved(prompt_of([], newest))
    assert blind is not None
    assert blind[-1]["content"] == newest[0]["text"]
    cut = halved(blind)
    assert cut is not None
    text = text_of(cut[-1]["content"])
    assert text.startswith("Look: ") and text.endswith("What is that?") and "[…]" in text

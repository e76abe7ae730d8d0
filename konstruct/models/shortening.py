"""A prompt that a model found too long, made shorter: what was said first goes first."""

from collections.abc import Mapping
from typing import Any

from konstruct.models import Prompt, chars_of
from konstruct.models.content import text_of

# Where so little is left of what was said, something else is too long, such as the instructions.
LEAST_CHARS = 200
LEFT_OUT = "\n[…]\n"


def halved(prompt: Prompt) -> list[Mapping[str, Any]] | None:
    """At most half of what was said, and all that is not said; None where that would be next to nothing.

    The newest message stays, at last without its pictures and its middle. No tokenizer makes more tokens of the rest.
    """
    system = [message for message in prompt if message["role"] == "system"]
    said = [message for message in prompt if message["role"] != "system"]
    room = _chars(said) // 2
    if room < LEAST_CHARS:
        return None
    # Many chat templates want the first word to be the contact's.
    while len(said) > 1 and (_chars(said) > room or said[0]["role"] == "assistant"):
        del said[0]
    newest = said[-1]
    return [*system, *said[:-1], newest if _chars(said) <= room else _cut(newest, room)]


def _chars(messages: Prompt) -> int:
    return sum(chars_of(message["content"]) for message in messages)


def _cut(message: Mapping[str, Any], room: int) -> dict[str, Any]:
    text, half = text_of(message["content"]), (room - len(LEFT_OUT)) // 2
    return {**message, "content": text if len(text) <= room else f"{text[:half]}{LEFT_OUT}{text[-half:]}"}

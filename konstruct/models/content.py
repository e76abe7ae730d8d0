"""What a message of a prompt may hold: text, or text and image parts. What each model is given of that."""

from collections.abc import Mapping
from typing import Any

from konstruct.models import Content, Prompt
from konstruct.wellformed import well_formed


def suited(prompt: Prompt, *, sees: bool) -> list[dict[str, Any]]:
    """The prompt well-formed, and for a model that does not see, without its pictures."""
    return [{key: _suited(value, sees=sees) for key, value in message.items()} for message in prompt]


def text_of(content: Content) -> str:
    """The text of a message's content; pictures have none."""
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content if "text" in part)


def _suited(content: Content, *, sees: bool) -> Content:
    if isinstance(content, str) or not sees:
        return well_formed(text_of(content))
    return [_part(part) for part in content]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    return {**part, "text": well_formed(part["text"])} if "text" in part else dict(part)

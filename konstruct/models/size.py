"""How many tokens a prompt can have at most, whatever the tokenizer."""

from konstruct.models import Prompt
from konstruct.models.content import suited

# What chat templates put around a prompt and around each of its messages: measured 3 to 20.
TOKENS_AROUND = 64
# A picture of at most 1568 x 1568 pixels; providers count 258 to 36,835 (gpt-4o-mini).
TOKENS_PER_PICTURE_AT_MOST = 40_000


def tokens_at_most(prompt: Prompt, *, sees: bool) -> int:
    """No tokenizer makes more tokens of a text than it has bytes."""
    return TOKENS_AROUND + sum(TOKENS_AROUND + _of(message["content"]) for message in suited(prompt, sees=sees))


def _of(content: str | list[dict[str, str]]) -> int:
    if isinstance(content, str):
        return len(content.encode())
    return sum(len(part["text"].encode()) if "text" in part else TOKENS_PER_PICTURE_AT_MOST for part in content)

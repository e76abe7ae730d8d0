"""Answers over a channel's length limit, split at sensible places."""

from bisect import bisect_right
from collections.abc import Callable

# From the best place to the last resort.
_BREAKS = ("\n\n", "\n", ". ", " ")


def split(text: str, longest: int, size: Callable[[str], int]) -> list[str]:
    """Parts whose `size` is at most `longest`, at least one; a short text is one part, unchanged."""
    parts = []
    while size(text) > longest:
        room = bisect_right(range(min(len(text), longest)), longest, key=lambda end: size(text[:end])) - 1
        head = text[: max(room, 1)]
        cut = next((at + len(mark) for mark in _BREAKS if (at := head.rfind(mark)) > len(head) // 2), len(head))
        parts.append(head[:cut].rstrip() or head[:cut])
        text = text[cut:].lstrip("\n ")
    return [*parts, text] if text or not parts else parts

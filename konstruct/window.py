"""The sliding window: the last words of a conversation, bounded in entries and in characters."""

from collections.abc import Iterable

from konstruct.messages import Spoken

WINDOW_ENTRIES = 20
WINDOW_CHARS = 12_000


def slide(window: Iterable[Spoken], spoken: Iterable[Spoken]) -> tuple[Spoken, ...]:
    """The window after `spoken`: order kept, oldest dropped first, the newest entry always there."""
    entries = [*window, *spoken][-WINDOW_ENTRIES:]
    size = sum(len(entry.text) for entry in entries)
    while len(entries) > 1 and size > WINDOW_CHARS:
        size -= len(entries.pop(0).text)
    return tuple(entries)

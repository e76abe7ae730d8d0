"""Answers over a channel's length limit, split at sensible places."""

from bisect import bisect_right
from collections.abc import Callable, Iterator

from konstruct.markdown import Block, blocks, closer, closes

Size = Callable[[str], int]

# From the best place to the last resort.
_BREAKS = ("\n\n", "\n", ". ", " ")


def split(text: str, longest: int, size: Size) -> list[str]:
    """Parts whose `size` is at most `longest`, at least one; a short text is one part, unchanged.

    `size` must not fall when text is added. A code fence that is split is closed and opened again; a table repeats
    its header.
    """
    if size(text) <= longest:
        return [text]
    parts, part, used = [], "", 0
    for piece in _pieces(text, longest, size):
        needed = size(piece)
        if part and used + needed > longest:
            parts.append(part)
            part, used = "", 0
        part += piece
        used += needed
    kept = [part.strip("\n").rstrip() for part in [*parts, part]]
    return [part for part in kept if part] or [text[:1]]


def _pieces(text: str, longest: int, size: Size) -> Iterator[str]:
    """The text in pieces that each fit."""
    for block in blocks(text):
        if size(block.text) <= longest:
            yield block.text
        elif block.kind == "fence":
            yield from _fences(block, longest, size)
        elif block.kind == "table":
            yield from _tables(block, longest, size)
        else:
            yield from _prose(block.text, longest, size)


def _fences(block: Block, longest: int, size: Size) -> Iterator[str]:
    opener, *inside = block.lines
    end = inside.pop() if inside and closes(inside[-1], opener) else ""
    room = longest - size(opener) - size(closer(opener)) - 1
    if room < longest // 2:
        yield from _prose(block.text, longest, size)
        return
    code, used = "", 0
    for line in (piece for whole in inside for piece in _cut(whole, room, size)):
        needed = size(line)
        if code and used + needed > room:
            yield opener + code.removesuffix("\n") + "\n" + closer(opener)
            code, used = "", 0
        code += line
        used += needed
    yield opener + code + end


def _tables(block: Block, longest: int, size: Size) -> Iterator[str]:
    header, rows = "".join(block.lines[:2]), list(block.lines[2:])
    while rows:
        fitting = bisect_right(
            range(1, len(rows) + 1), longest, key=lambda count: size(header + "".join(rows[:count]) + "\n")
        )
        if fitting:
            yield header + "".join(rows[:fitting])
            rows = rows[fitting:]
        else:
            yield from _prose(rows.pop(0), longest, size)


def _prose(text: str, longest: int, size: Size) -> Iterator[str]:
    while size(text) > longest:
        head = text[: _room(text, longest, size)]
        cut = next((at + len(mark) for mark in _BREAKS if (at := head.rfind(mark)) > len(head) // 2), len(head))
        yield head[:cut]
        text = text[cut:]
    if text:
        yield text


def _cut(line: str, longest: int, size: Size) -> Iterator[str]:
    while size(line) > longest:
        room = _room(line, longest, size)
        blank = line.rfind(" ", 0, room) + 1
        cut = blank if blank > room // 2 else room
        yield line[:cut] + "\n"
        line = line[cut:]
    yield line


def _room(text: str, longest: int, size: Size) -> int:
    """How many characters fit, one at least."""
    return max(1, bisect_right(range(min(len(text), longest)), longest, key=lambda end: size(text[:end])) - 1)

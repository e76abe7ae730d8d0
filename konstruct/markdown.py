"""Markdown as models write it, cut into what must stay together: code fences, tables, paragraphs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_FENCE = re.compile(r"\s*(?P<mark>`{3,}|~{3,})[^`\n]*\n?\Z")
_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*\Z")
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines with their line ends; all blocks of a text, joined, are the text."""

    kind: Literal["fence", "table", "prose"]
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines, joined."""
        return "".join(self.lines)


def blocks(text: str) -> list[Block]:
    """The blocks of a text, in order. An unfinished fence or table reaches to the end."""
    rows = lines(text)
    found, at = [], 0
    while at < len(rows):
        block = Block(*_block(rows, at))
        found.append(block)
        at += len(block.lines)
    return found


def lines(text: str) -> list[str]:
    """The lines of a text, each with its line end if it has one."""
    return _LINE.findall(text)


def cells(row: str) -> list[str]:
    """The cells of a table's row, without the space around them."""
    inner = row.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.strip().replace("\\|", "|") for cell in _CELL.split(inner)]


def closes(line: str, opener: str) -> bool:
    """Whether the line ends the code fence that `opener` began."""
    mark, end = _mark(opener), line.strip()
    return len(end) >= len(mark) and set(end) == {mark[0]}


def closer(opener: str) -> str:
    """The line that ends the code fence that `opener` began."""
    return opener[: len(opener) - len(opener.lstrip())] + _mark(opener) + "\n"


def _block(rows: list[str], start: int) -> tuple[Literal["fence", "table", "prose"], tuple[str, ...]]:
    if _FENCE.match(rows[start]):
        end = next((n for n in range(start + 1, len(rows)) if closes(rows[n], rows[start])), len(rows))
        return "fence", tuple(rows[start : end + 1])
    if _table_begins(rows, start):
        end = next((n for n in range(start + 2, len(rows)) if "|" not in rows[n]), len(rows))
        return "table", tuple(rows[start:end])
    return "prose", tuple(_paragraph(rows, start))


def _paragraph(rows: list[str], start: int) -> Iterator[str]:
    """Lines up to the next fence or table, or through the blank lines that end the paragraph."""
    ended = False
    for n in range(start, len(rows)):
        blank = not rows[n].strip()
        if n > start and ((ended and not blank) or _FENCE.match(rows[n]) or _table_begins(rows, n)):
            return
        ended = ended or blank
        yield rows[n]


def _table_begins(rows: list[str], at: int) -> bool:
    below = rows[at + 1] if at + 1 < len(rows) else ""
    return "|" in rows[at] and "|" in below and _RULE.match(below) is not None


def _mark(opener: str) -> str:
    match = _FENCE.match(opener)
    return match["mark"] if match else "```"

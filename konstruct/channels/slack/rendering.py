"""Markdown as Slack's `markdown` block shows it well: https://docs.slack.dev/reference/block-kit/blocks/markdown-block.

Tables become aligned code, or a list where they are too wide; see decisions/0007-slack-streams.md.
"""

import re
from typing import Any

from rich.cells import cell_len

from konstruct.channels.slack.escaping import escape
from konstruct.markdown import Block, blocks, cells, lines

# A code line that is longer wraps, and is no table any more.
WIDEST_TABLE_CELLS = 76
# chat.update refuses a `text` of more than 4,000 bytes, counted after the escaping of & < >.
LONGEST_FALLBACK_BYTES = 3_900

# <!channel>, <@U1>, <#C1>: what a model writes must call nobody.
_CALL = re.compile(r"<(?=[!@#])")
_LINK = re.compile(r"!?\[([^\]]*)\]\(([^)\s]*)[^)]*\)")
_EMPHASIS = re.compile(r"(\*\*|__|`|~~)(?=\S)(.+?)(?<=\S)\1")
_WORD_JOINER = "\u2060"


def render(text: str) -> str:
    """The text of a `markdown` block."""
    return _rendered(text).strip()


def markdown_block(text: str) -> dict[str, Any]:
    """It as a block."""
    return {"type": "markdown", "text": render(text)}


def settled(text: str) -> str:
    """The beginning of a growing text whose rendering no longer changes, whatever follows.

    A table's columns change with every row, and a line that begins with [[ may become choices.
    """
    while True:
        kept = _without_table(text)
        line = kept[kept.rfind("\n") + 1 :]
        if not line.lstrip().startswith("[[") and line.strip() != "[":
            return kept
        text = kept[: len(kept) - len(line)]


def fallback(text: str) -> str:
    """The notification's plain text, escaped, short enough to be edited."""
    whole = escape(text)
    if len(whole.encode()) <= LONGEST_FALLBACK_BYTES:
        return whole
    kept = text[: LONGEST_FALLBACK_BYTES // 2]
    while len(escape(kept).encode()) > LONGEST_FALLBACK_BYTES - 3:
        kept = kept[: len(kept) * 9 // 10]
    return escape(kept) + "…"


def length(text: str) -> int:
    """How long the text will be, as Slack counts: UTF-16 code units. Lengths of pieces add up."""
    return len(_rendered(text).encode("utf-16-le", "surrogatepass")) // 2


def _rendered(text: str) -> str:
    text = _CALL.sub(f"<{_WORD_JOINER}", text)
    if "|" not in text:
        return text
    return "".join(_table(block) if block.kind == "table" else block.text for block in blocks(text))


def _without_table(text: str) -> str:
    """The text without the table, or what may become one, that it ends in."""
    if (last := blocks(text)[-1:]) and last[0].kind == "fence":
        return text.rstrip()
    rows = lines(text)
    if len(rows) > 1 and not rows[-1].endswith("\n") and "|" in rows[-2]:
        rows.pop()
    while rows and "|" in rows[-1]:
        rows.pop()
    return "".join(rows).rstrip()


def _table(block: Block) -> str:
    header, rule, *rows = [[_plain(cell) for cell in cells(line)] for line in block.lines]
    rows = [_fitted(row, len(header)) for row in rows]
    widths = [max(cell_len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    if sum(widths) + 3 * (len(widths) - 1) > WIDEST_TABLE_CELLS:
        return _listed(header, rows)
    right = [rule[column].endswith(":") if column < len(rule) else False for column in range(len(header))]
    rows = [header, ["-" * width for width in widths], *rows]
    return "```\n" + "".join(_aligned(row, widths, right) for row in rows) + "```\n"


def _fitted(row: list[str], columns: int) -> list[str]:
    """The row with as many cells as there are columns; what is over stays in the last one."""
    kept = row[: columns - 1]
    return [*kept, " | ".join(row[columns - 1 :]), *[""] * (columns - len(kept) - 1)]


def _listed(header: list[str], rows: list[list[str]]) -> str:
    entries = []
    for first, *others in rows:
        entries.append(f"- **{first or '-'}**\n")
        entries += [f"    - {name}: {value}\n" for name, value in zip(header[1:], others, strict=False) if value]
    return "".join(entries) or " · ".join(header) + "\n"


def _aligned(row: list[str], widths: list[int], right: list[bool]) -> str:
    padded = []
    for cell, width, to_the_right in zip(row, widths, right, strict=True):
        space = " " * (width - cell_len(cell))
        padded.append(space + cell if to_the_right else cell + space)
    return " │ ".join(padded).rstrip() + "\n"


def _plain(cell: str) -> str:
    """A cell without the marks that a code block would show."""
    cell = _LINK.sub(lambda link: f"{link[1]} ({link[2]})" if link[1] != link[2] else link[1], cell)
    return _EMPHASIS.sub(r"\2", cell).replace("<br>", " ").replace("```", "'''")

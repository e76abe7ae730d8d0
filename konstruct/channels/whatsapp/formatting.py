"""Markdown as WhatsApp shows it: *bold*, _italic_, ~struck~ and `code`, no links, headings or tables.

https://faq.whatsapp.com/539178204879377 (how to format your messages)
"""

import re

from konstruct.markdown import Block, blocks, cells

_CODE = re.compile(r"(`[^`\n]+`)")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.+?)[ \t]*#*\s*\Z")
_BULLET = re.compile(r"(\s*)[*+]([ \t]+)")
_LINK = re.compile(r"!?\[([^\]\n]*)\]\(\s*<?([^\s()<>]+(?:\([^\s()]*\))?)>?(?:\s+\"[^\"\n]*\")?\s*\)")
_BOTH = re.compile(r"\*\*\*(?=\S)(.+?)(?<=\S)\*\*\*")
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*|(?<!\w)__(?=\S)(.+?)(?<=\S)__(?!\w)")
_ITALIC = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]*[^\s*])\*(?![\w*])")
_STRUCK = re.compile(r"~~(?=\S)(.+?)(?<=\S)~~")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+.!~|>-])")
_RULE = re.compile(r"[\s|:-]*\Z")
# Stands for the mark of bold text until all other marks are done; no model writes it.
_MARK = "\ue000"


def formatted(markdown: str) -> str:
    """The same text with WhatsApp's marks; never longer."""
    return "".join(_block(block) for block in blocks(markdown.replace(_MARK, "")))


def _block(block: Block) -> str:
    if block.kind == "fence":
        # WhatsApp would show the name of the language as part of the code.
        opener = block.lines[0].rstrip("\n")
        return block.text.replace(opener, "```", 1) if opener.lstrip().startswith("```") else block.text
    if block.kind == "table":
        rows = [line for line in block.lines if not _RULE.match(line)]
        return "".join(_inline(" | ".join(filter(None, cells(row)))) + "\n" for row in rows)
    return "".join(_line(line) for line in block.lines)


def _line(line: str) -> str:
    end = "\n" if line.endswith("\n") else ""
    if heading := _HEADING.match(line):
        said = _inline(heading[1]).replace("*", "").strip()
        return f"*{said}*{end}" if said else end
    return _inline(_BULLET.sub(r"\1-\2", line, count=1) if _BULLET.match(line) else line)


def _inline(line: str) -> str:
    pieces = _CODE.split(line)
    return "".join(piece if _CODE.fullmatch(piece) else _marks(piece) for piece in pieces)


def _marks(text: str) -> str:
    text = _LINK.sub(_linked, text)
    text = _BOTH.sub(rf"{_MARK}_\1_{_MARK}", text)
    text = _BOLD.sub(lambda found: f"{_MARK}{found[1] or found[2]}{_MARK}", text)
    text = _ITALIC.sub(r"_\1_", text)
    text = _STRUCK.sub(r"~\1~", text)
    return _ESCAPED.sub(r"\1", text).replace(_MARK, "*")


def _linked(link: re.Match[str]) -> str:
    said, where = link[1].strip(), link[2]
    return where if not said or said == where else f"{said} ({where})"

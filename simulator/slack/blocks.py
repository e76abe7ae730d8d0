"""Block Kit: which blocks Slack takes, and the words that people read in them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from simulator.slack.refusal import Refused

MAX_BLOCKS = 50
MAX_MARKDOWN_CHARS = 12_000
MAX_SECTION_CHARS = 3_000
MAX_HEADER_CHARS = 150
MAX_BUTTON_CHARS = 75
MAX_ELEMENTS = {"actions": 25, "context": 10, "context_actions": 5}

Block = dict[str, Any]


def check_blocks(blocks: Any, most: int = MAX_BLOCKS) -> list[Block]:
    """Return the blocks; raises Refused where Slack would."""
    if not isinstance(blocks, list) or len(blocks) > most:
        raise Refused("invalid_blocks")
    for block in blocks:
        if not isinstance(block, dict) or block.get("type") not in SHOWN:
            raise Refused("invalid_blocks")
        _check(block)
    ids = [block["block_id"] for block in blocks if block.get("block_id")]
    if len(ids) != len(set(ids)):
        raise Refused("invalid_blocks")
    if sum(len(block["text"]) for block in blocks if block["type"] == "markdown") > MAX_MARKDOWN_CHARS:
        raise Refused("msg_blocks_too_long")
    return blocks


def text_of_blocks(blocks: Iterable[Block]) -> str:
    """Return what is read in them, one line or more for each; buttons are no text."""
    return "\n".join(filter(None, (SHOWN[block["type"]](block) for block in blocks)))


def elements(blocks: Iterable[Block]) -> list[tuple[str, Block]]:
    """Return (block_id, element) of everything that can be pressed, chosen or rated, in order."""
    found: list[tuple[str, Block]] = []
    for block in blocks:
        inside = list(block.get("elements", ())) if block["type"] in ("actions", "context_actions") else []
        if block["type"] == "section" and "accessory" in block:
            inside.append(block["accessory"])
        found += [(block.get("block_id", ""), element) for element in inside]
    return found


def _check(block: Block) -> None:
    kind = block["type"]
    text = _plain(block.get("text"))
    wrong = (
        (kind in ("markdown", "header") and not text)
        or (kind == "section" and not text and not block.get("fields"))
        or (kind == "section" and len(text) > MAX_SECTION_CHARS)
        or (kind == "header" and len(text) > MAX_HEADER_CHARS)
        or (kind in MAX_ELEMENTS and not 1 <= len(block.get("elements") or ()) <= MAX_ELEMENTS[kind])
    )
    if wrong:
        raise Refused("invalid_blocks")
    names = [element.get("action_id") for _, element in elements([block])]
    given = [name for name in names if name]
    labels = [_plain(element.get("text")) for _, element in elements([block]) if element.get("type") == "button"]
    if len(given) != len(set(given)) or any(not 1 <= len(label) <= MAX_BUTTON_CHARS for label in labels):
        raise Refused("invalid_blocks")


def _plain(text: Any) -> str:
    if isinstance(text, dict):
        text = text.get("text")
    return text if isinstance(text, str) else ""


def _section(block: Block) -> str:
    return "\n".join(filter(None, [_plain(block.get("text")), *map(_plain, block.get("fields") or ())]))


def _context(block: Block) -> str:
    return " ".join(filter(None, (_plain(element) for element in block["elements"])))


def _rich_text(block: Block) -> str:
    parts = [_rich_text(element) for element in block.get("elements") or ()]
    return _plain(block) + ("" if block["type"].startswith("rich_text_s") else "\n").join(parts)


SHOWN: Mapping[str, Callable[[Block], str]] = {
    "markdown": lambda block: _plain(block["text"]),
    "section": _section,
    "header": _section,
    "context": _context,
    "rich_text": _rich_text,
    "image": lambda block: _plain(block.get("alt_text")),
    "divider": lambda _: "",
    "actions": lambda _: "",
    "context_actions": lambda _: "",
    "file": lambda _: "",
    "task_card": lambda block: _plain(block.get("title")),
    "plan": lambda block: _plain(block.get("title")),
    "table": lambda block: "\n".join(
        " | ".join(_plain(cell) or _rich_text(cell) for cell in row) for row in block.get("rows", ())
    ),
}

"""What a message may say, and what of it a person sees; limits are Slack's."""

from html import escape, unescape
from typing import Any

from simulator.message import Content
from simulator.refusal import Refused

MAX_TEXT_CHARS = 40_000
MAX_MARKDOWN_CHARS = 12_000
MAX_EDIT_BYTES = 4_000
MAX_BLOCKS = 50


def read_content(arguments: dict[str, Any]) -> Content:
    """Return what the call says, cut to 40,000 characters as Slack cuts it; raises Refused."""
    markdown = arguments.get("markdown_text")
    blocks = arguments.get("blocks") or []
    text = markdown if isinstance(markdown, str) else arguments.get("text")
    if isinstance(markdown, str) and len(markdown) > MAX_MARKDOWN_CHARS:
        raise Refused("msg_too_long")
    if not isinstance(text, str) or not (text.strip() or blocks):
        if not blocks:
            raise Refused("no_text")
        text = ""
    text = text[:MAX_TEXT_CHARS]
    extra: dict[str, Any] = {}
    if blocks:
        extra["blocks"] = blocks
    if arguments.get("metadata"):
        extra["metadata"] = metadata_of(arguments)
    return Content(text, _shown(blocks) or text, extra)


def check_edit(text: str) -> None:
    """Raise Refused where chat.update would: over 4,000 bytes once &, < and > are escaped.

    Seen by GitLab in production: https://gitlab.com/gitlab-org/gitlab/-/merge_requests/258898
    """
    if len(text) * 5 > MAX_EDIT_BYTES and len(escape(unescape(text), quote=False).encode()) > MAX_EDIT_BYTES:
        raise Refused("msg_too_long")


def metadata_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the message metadata; raises Refused unless it has an event_type and an event_payload."""
    metadata = arguments["metadata"]
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_payload"), dict):
        raise Refused("invalid_metadata_format")
    if not isinstance(metadata.get("event_type"), str):
        raise Refused("invalid_metadata_format")
    return metadata


def _shown(blocks: list[dict[str, Any]]) -> str:
    """Return what blocks show: with blocks, `text` is only the notification."""
    if len(blocks) > MAX_BLOCKS:
        raise Refused("invalid_blocks")
    texts: list[str] = []
    for block in blocks:
        text = block.get("text", "")
        texts.append(text.get("text", "") if isinstance(text, dict) else text)
    return "\n".join(filter(None, texts))

"""What a message may say, and what of it a person sees; limits are Slack's."""

from html import escape, unescape
from typing import Any

from simulator.slack.blocks import MAX_MARKDOWN_CHARS, check_blocks
from simulator.slack.message import Content
from simulator.slack.refusal import Refused

MAX_TEXT_CHARS = 40_000
MAX_EDIT_BYTES = 4_000


def read_content(arguments: dict[str, Any]) -> Content:
    """Return what the call says, cut to 40,000 characters as Slack cuts it; raises Refused."""
    markdown = markdown_of(arguments)
    blocks = check_blocks(arguments.get("blocks") or [])
    if markdown is not None and (blocks or arguments.get("text")):
        raise Refused("markdown_text_conflict")
    text = arguments.get("text") if markdown is None else markdown
    if not isinstance(text, str) or not text.strip():
        if not blocks:
            raise Refused("no_text")
        text = text if isinstance(text, str) else ""
    text = text[:MAX_TEXT_CHARS]
    extra: dict[str, Any] = {}
    if "blocks" in arguments:
        extra["blocks"] = blocks
    if arguments.get("metadata"):
        extra["metadata"] = metadata_of(arguments)
    return Content(text, extra)


def markdown_of(arguments: dict[str, Any]) -> str | None:
    """Return `markdown_text`, None where there is none; raises Refused over its limit."""
    markdown = arguments.get("markdown_text")
    if not isinstance(markdown, str):
        return None
    if len(markdown) > MAX_MARKDOWN_CHARS:
        raise Refused("msg_too_long")
    return markdown


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

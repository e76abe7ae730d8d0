"""The body of POST /{phone_number_id}/messages for a reply."""

import time
from typing import Any

from konstruct.channels.emoji import lone_emoji
from konstruct.channels.whatsapp.choosing import LONGEST_BODY_CHARS, offered
from konstruct.channels.whatsapp.fields import phone
from konstruct.channels.whatsapp.formatting import formatted
from konstruct.choices import split_choices
from konstruct.errors import ChannelRefused
from konstruct.messages import Reply
from konstruct.parts import split

LONGEST_TEXT_CHARS = 4096
# A template's body has 1,024 characters, and its own words need some of them.
LONGEST_PARAMETER_CHARS = 900
# The request needs its time, and clocks differ.
WINDOW_MARGIN_SECONDS = 30.0


def parts(text: str) -> list[str]:
    """Parts that fit into one message each; the choices stay with the end of the text, which then is short."""
    said, choices = split_choices(text)
    if not choices:
        return split(text, LONGEST_TEXT_CHARS, _length)
    line = f"\n[[{' | '.join(choices)}]]"
    head = split(said, LONGEST_TEXT_CHARS, _length)
    if offered("?", choices) is None:
        return split(f"{said}\n{_listed(choices)}", LONGEST_TEXT_CHARS, _length)
    *begun, end = split(head[-1], LONGEST_BODY_CHARS, _length)
    # A code fence that is split is opened again, a table repeats its header: then the text does not end with its end.
    before = head[-1].removesuffix(end).rstrip() if head[-1].endswith(end) else "\n\n".join(begun)
    return [*head[:-1], *(part for part in split(before, LONGEST_TEXT_CHARS, _length) if part), end + line]


def message(reply: Reply, text: str, options: dict[str, Any]) -> dict[str, Any]:
    """What is sent while the window is open: an emoji as a reaction, choices as buttons or a list, else text."""
    emoji = lone_emoji(text)
    if emoji and reply.source_id:
        content = {"type": "reaction", "reaction": {"message_id": reply.source_id, "emoji": emoji}}
        return _envelope(reply) | content
    said, choices = split_choices(text)
    asked = offered(formatted(said), choices)
    if asked is None:
        return plain(reply, text, options)
    return _envelope(reply) | _quoting(reply, options) | {"type": "interactive", "interactive": asked}


def plain(reply: Reply, text: str, options: dict[str, Any]) -> dict[str, Any]:
    """The same as text and nothing else: what every contact can read."""
    content = {"type": "text", "text": {"body": written(text), "preview_url": False}}
    return _envelope(reply) | _quoting(reply, options) | content


def written(text: str) -> str:
    """A reply's text as it reads where it is text and nothing else."""
    said, choices = split_choices(text)
    body = f"{said}\n{_listed(choices)}" if choices else said
    return formatted(body).strip() or body


def closed(reply: Reply) -> bool:
    """Whether WhatsApp takes no free text from us any more: 24 hours after the contact's last message."""
    until = reply.address.open_until
    return until is not None and time.time() > until - WINDOW_MARGIN_SECONDS


def template(reply: Reply, text: str, options: dict[str, Any]) -> dict[str, Any]:
    """What is sent when the window is closed; raises ChannelRefused where no template is configured."""
    chosen = options.get("template")
    if not chosen:
        raise ChannelRefused(
            "The contact last wrote more than 24 hours ago, and the tenant file names no `template` to answer with; "
            "add one, or wait until the contact writes again."
        )
    with_answer = bool(chosen.get("with_answer"))
    if reply.part and not with_answer:
        raise ChannelRefused("The template has told the contact already that there is an answer.")
    content: dict[str, Any] = {"name": chosen["name"], "language": {"code": chosen["language"]}}
    if with_answer:
        parameter = {"type": "text", "text": _parameter(text)}
        content["components"] = [{"type": "body", "parameters": [parameter]}]
    return _envelope(reply) | {"type": "template", "template": content}


def _envelope(reply: Reply) -> dict[str, Any]:
    whom = reply.address.channel
    to = {"to": whom} if phone(whom) else {"recipient": whom}
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        # Comes back with every status: so a status can settle a send whose answer was lost.
        "biz_opaque_callback_data": str(reply.id),
    } | to


def _quoting(reply: Reply, options: dict[str, Any]) -> dict[str, Any]:
    quotes = options.get("quote") and reply.part == 0 and reply.source_id
    return {"context": {"message_id": reply.source_id}} if quotes else {}


def _parameter(text: str) -> str:
    # A parameter may hold neither line breaks nor tabs, nor more than four blanks in a row.
    said, choices = split_choices(text)
    line = " ".join(" ".join([formatted(said), *choices]).split())
    return line if len(line) <= LONGEST_PARAMETER_CHARS else line[: LONGEST_PARAMETER_CHARS - 1].rstrip() + "…"


def _listed(choices: tuple[str, ...]) -> str:
    return "\n".join(f"• {choice}" for choice in choices)


def _length(text: str) -> int:
    # Some of Meta's clients count UTF-16 units, in which an emoji is two.
    return len(text.encode("utf-16-le")) // 2

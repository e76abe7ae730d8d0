"""Choices as WhatsApp shows them: three reply buttons, else a list of ten rows; and what comes back of them.

https://developers.facebook.com/docs/whatsapp/cloud-api/messages/interactive-reply-buttons-messages
"""

from collections.abc import Sequence
from typing import Any

MOST_BUTTONS = 3
MOST_ROWS = 10
LONGEST_BUTTON_CHARS = 20
LONGEST_ROW_CHARS = 24
LONGEST_DESCRIPTION_CHARS = 72
# A row's id may have 200 characters, a button's 256: room for the whole choice, however short its title is.
LONGEST_ID_CHARS = 200
LONGEST_BODY_CHARS = 1024
# Characters that a choice of ours has in front of its text, so that it is told from ids of other senders.
PREFIX = "choice:"
OPEN_LIST = "Choose"


def chosen(id_: str, title: str) -> str:
    """The choice's own text: titles are short, ids are not."""
    return id_.removeprefix(PREFIX) if id_.startswith(PREFIX) and id_ != PREFIX else title


def offered(body: str, choices: Sequence[str]) -> dict[str, Any] | None:
    """The `interactive` object that asks; None where WhatsApp has no room for these choices."""
    wanted = list(dict.fromkeys(filter(None, (choice.strip() for choice in choices))))
    if not wanted or len(wanted) > MOST_ROWS or not body or len(body) > LONGEST_BODY_CHARS:
        return None
    if max(map(len, wanted)) > LONGEST_ID_CHARS - len(PREFIX):
        return None
    if len(wanted) <= MOST_BUTTONS and max(map(len, wanted)) <= LONGEST_BUTTON_CHARS:
        return {"type": "button", "body": {"text": body}, "action": {"buttons": [_button(one) for one in wanted]}}
    titles = {_cut(one, LONGEST_ROW_CHARS) for one in wanted}
    if len(titles) < len(wanted):
        return None
    action = {"button": OPEN_LIST, "sections": [{"rows": [_row(one) for one in wanted]}]}
    return {"type": "list", "body": {"text": body}, "action": action}


def _button(choice: str) -> dict[str, Any]:
    return {"type": "reply", "reply": {"id": PREFIX + choice, "title": choice}}


def _row(choice: str) -> dict[str, str]:
    row = {"id": PREFIX + choice, "title": _cut(choice, LONGEST_ROW_CHARS)}
    if row["title"] != choice:
        row["description"] = _cut(choice, LONGEST_DESCRIPTION_CHARS)
    return row


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"

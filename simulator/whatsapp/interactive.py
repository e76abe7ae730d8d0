"""Buttons, lists and links: how many there may be, and how long their words."""

from typing import Any

from simulator.whatsapp.refusal import Refused

MAX_BODY_CHARS = 1_024
MAX_LIST_BODY_CHARS = 4_096
MAX_SIDE_CHARS = 60
MAX_BUTTONS, MAX_BUTTON_CHARS = 3, 20
MAX_SECTIONS, MAX_ROWS = 10, 10
MAX_ROW_CHARS, MAX_DESCRIPTION_CHARS, MAX_SECTION_CHARS = 24, 72, 24
MAX_ID_CHARS, MAX_ROW_ID_CHARS = 256, 200

Choices = list[dict[str, Any]]


def read_interactive(said: dict[str, Any]) -> tuple[str, Choices]:
    """Return the text that is read and what can be pressed; raises Refused."""
    kind, action = said.get("type"), said.get("action") or {}
    text = (said.get("body") or {}).get("text") or ""
    header = (said.get("header") or {}).get("text") or ""
    footer = (said.get("footer") or {}).get("text") or ""
    _check_length("interactive['body']['text']", text, MAX_LIST_BODY_CHARS if kind == "list" else MAX_BODY_CHARS)
    for name, side in (("header", header), ("footer", footer)):
        if side:
            _check_length(f"interactive['{name}']['text']", side, MAX_SIDE_CHARS)
    if kind == "button":
        choices = _buttons(action)
    elif kind == "list":
        choices = _rows(action)
    elif kind == "cta_url":
        parameters = action.get("parameters") or {}
        _check_length("display_text", parameters.get("display_text"), MAX_BUTTON_CHARS)
        choices = [{"id": "", "title": parameters["display_text"], "url": parameters.get("url")}]
    elif kind in ("flow", "location_request_message", "product", "product_list", "catalog_message"):
        choices = []
    else:
        raise Refused(100, "Param interactive['type'] is not one of those that exist.")
    return "\n".join(filter(None, (header, text, footer))), choices


def _buttons(action: dict[str, Any]) -> Choices:
    buttons = [button.get("reply") or {} for button in action.get("buttons") or ()]
    if not 1 <= len(buttons) <= MAX_BUTTONS:
        raise Refused(131009, f"There must be 1 to {MAX_BUTTONS} buttons.")
    for button in buttons:
        _check_length("button title", button.get("title"), MAX_BUTTON_CHARS)
        _check_length("button id", button.get("id"), MAX_ID_CHARS)
    _check_unique(buttons, "id")
    _check_unique(buttons, "title")
    return [{"id": button["id"], "title": button["title"], "reply": "button_reply"} for button in buttons]


def _rows(action: dict[str, Any]) -> Choices:
    _check_length("list button", action.get("button"), MAX_BUTTON_CHARS)
    sections = action.get("sections") or []
    if not 1 <= len(sections) <= MAX_SECTIONS:
        raise Refused(131009, f"There must be 1 to {MAX_SECTIONS} sections.")
    for section in sections:
        if len(sections) > 1:
            _check_length("section title", section.get("title"), MAX_SECTION_CHARS)
    rows = [row for section in sections for row in section.get("rows") or ()]
    if not 1 <= len(rows) <= MAX_ROWS:
        raise Refused(131009, f"There must be 1 to {MAX_ROWS} rows in all.")
    for row in rows:
        _check_length("row title", row.get("title"), MAX_ROW_CHARS)
        _check_length("row id", row.get("id"), MAX_ROW_ID_CHARS)
        if row.get("description"):
            _check_length("row description", row["description"], MAX_DESCRIPTION_CHARS)
    _check_unique(rows, "id")
    told = ("id", "title", "description")
    return [{name: row[name] for name in told if name in row} | {"reply": "list_reply"} for row in rows]


def _check_length(name: str, text: Any, most: int) -> None:
    if not isinstance(text, str) or not text.strip():
        raise Refused(131008, f"The parameter {name} is required.")
    if len(text) > most:
        raise Refused(131009, f"The parameter {name} must be at most {most} characters long.")


def _check_unique(choices: Choices, name: str) -> None:
    if len({choice[name] for choice in choices}) != len(choices):
        raise Refused(131009, f"Every {name} must be there once.")

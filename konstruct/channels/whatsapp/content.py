"""What a message says, in words that a model understands: https://developers.facebook.com/docs/whatsapp (messages)."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from konstruct.channels.whatsapp.choosing import chosen
from konstruct.channels.whatsapp.fields import MAX_TEXT_CHARS, detail, identity, mapping, mappings, text
from konstruct.channels.whatsapp.media import MEDIA, attachment
from konstruct.messages import Attachment, Kind

MOST_ITEMS = 30

# What `unsupported` messages are called, where Meta tells; anything else is "a message of a kind …".
_UNSUPPORTED = {
    "poll_creation": "a poll",
    "poll": "a poll",
    "poll_update": "a vote in a poll",
    "event": "an event invitation",
    "group_invite": "a group invitation",
    "video_note": "a video note",
    "view_once": "a view-once message",
    "album": "an album",
    "pin": "a pinned message",
}


@dataclass(frozen=True, slots=True)
class Content:
    """What was said; None instead of it means unreadable."""

    kind: Kind
    text: str
    target: str = ""
    attachments: tuple[Attachment, ...] = ()


def read(message: dict[str, Any]) -> Content | None:
    """The content of one message of any type but `system`; None where its own type's fields are missing."""
    kind = identity(message.get("type"))
    if kind in MEDIA:
        return _media(kind, mapping(message.get(kind)))
    reader = _READERS.get(kind)
    if reader is None:
        return _unsupported(kind, message)
    return reader(mapping(message.get(kind)) if kind != "contacts" else message)


def _text(content: dict[str, Any]) -> Content | None:
    body = text(content.get("body"))
    return Content("message", body) if body else None


def _media(kind: str, content: dict[str, Any]) -> Content | None:
    found = attachment(kind, content)
    return Content("message", text(content.get("caption")), attachments=(found,)) if found else None


def _location(content: dict[str, Any]) -> Content | None:
    latitude, longitude = detail(content.get("latitude")), detail(content.get("longitude"))
    place = [*filter(None, (detail(content.get("name")), detail(content.get("address"))))]
    point = f"({latitude}, {longitude})" if latitude and longitude else ""
    if not (place or point):
        return None
    return Content("message", f"[location: {' '.join(filter(None, (', '.join(place), point)))}]")


def _contacts(message: dict[str, Any]) -> Content | None:
    cards = [_card(contact) for contact in mappings(message.get("contacts"))[:MOST_ITEMS]]
    return _lines(f"[contact: {card}]" for card in cards if card)


def _card(contact: dict[str, Any]) -> str:
    name = detail(mapping(contact.get("name")).get("formatted_name"))
    organisation = detail(mapping(contact.get("org")).get("company"))
    phones = [detail(phone.get("phone") or phone.get("wa_id")) for phone in mappings(contact.get("phones"))]
    mails = [detail(mail.get("email")) for mail in mappings(contact.get("emails"))]
    return ", ".join(filter(None, (name, organisation, *phones[:5], *mails[:5])))


def _reaction(content: dict[str, Any]) -> Content | None:
    target = identity(content.get("message_id"))
    return Content("reaction", text(content.get("emoji"), 32), target) if target else None


def _interactive(content: dict[str, Any]) -> Content | None:
    kind = identity(content.get("type"))
    answer = mapping(content.get(kind))
    match kind:
        case "button_reply" | "list_reply":
            said = chosen(identity(answer.get("id")), text(answer.get("title")))
            return Content("message", said) if said else None
        case "nfm_reply":
            return _form(answer)
        case "call_permission_reply":
            return Content("aside", f"[permission to call: {detail(answer.get('response')) or 'not told'}]")
        case _:
            return Content("unsupported", "an interactive message of a kind that is not known yet")


def _form(answer: dict[str, Any]) -> Content | None:
    try:
        filled = json.loads(text(answer.get("response_json")))
    except (ValueError, RecursionError):
        filled = {}
    lines = [
        f"{detail(name)}: {_plain(value)}"
        for name, value in list(mapping(filled).items())[:MOST_ITEMS]
        if name != "flow_token"
    ]
    said = "; ".join(lines) or detail(answer.get("body"))
    return Content("message", f"[form: {said}]"[:MAX_TEXT_CHARS]) if said else None


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value[:MOST_ITEMS] if not isinstance(one, list))
    if isinstance(value, dict):
        return detail(value.get("title")) or detail(value.get("id"))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return detail(str(value) if isinstance(value, float) else value)


def _button(content: dict[str, Any]) -> Content | None:
    said = text(content.get("text")) or text(content.get("payload"))
    return Content("message", said) if said else None


def _order(content: dict[str, Any]) -> Content | None:
    items = [_item(item) for item in mappings(content.get("product_items"))[:MOST_ITEMS]]
    lines = [*filter(None, (*items, detail(content.get("text"))))]
    return Content("message", f"[order: {'; '.join(lines)}]"[:MAX_TEXT_CHARS]) if lines else None


def _item(item: dict[str, Any]) -> str:
    product, quantity = detail(item.get("product_retailer_id")), detail(item.get("quantity")) or "1"
    price = " ".join(filter(None, (detail(item.get("item_price")), detail(item.get("currency")))))
    return f"{quantity} x {product}{f' at {price}' if price else ''}" if product else ""


def _edit(content: dict[str, Any]) -> Content | None:
    target, changed = identity(content.get("original_message_id")), mapping(content.get("message"))
    # One level only: an edit of an edit is not a thing.
    inner = read(changed) if identity(changed.get("type")) not in ("edit", "revoke") else None
    if not target or inner is None or inner.kind != "message":
        return None
    return Content("edit", inner.text, target, inner.attachments)


def _revoke(content: dict[str, Any]) -> Content | None:
    target = identity(content.get("original_message_id"))
    return Content("delete", "", target) if target else None


def _unsupported(kind: str, message: dict[str, Any]) -> Content:
    told = identity(mapping(message.get("unsupported")).get("type")) if kind == "unsupported" else kind
    return Content("unsupported", _UNSUPPORTED.get(told, "a message of a kind that WhatsApp does not pass on"))


def _lines(lines: Iterable[str]) -> Content | None:
    said = "\n".join(lines)
    return Content("message", said[:MAX_TEXT_CHARS]) if said else None


_READERS = cast(
    "dict[str, Callable[[dict[str, Any]], Content | None]]",
    {
        "text": _text,
        "location": _location,
        "contacts": _contacts,
        "reaction": _reaction,
        "interactive": _interactive,
        "button": _button,
        "order": _order,
        "edit": _edit,
        "revoke": _revoke,
    },
)

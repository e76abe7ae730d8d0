"""Meta's webhooks, parsed to what Konstruct acts on: every entry, change, message, status and echo of a batch."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

from konstruct.channels.whatsapp import content, people
from konstruct.channels.whatsapp.fields import detail, identity, mapping, mappings, moment, phone, text
from konstruct.channels.whatsapp.notices import notice
from konstruct.channels.whatsapp.records import DeliveryStatus, Notice, Problem, Record, Said, Status, Unreadable

MESSAGES = "messages"
ECHOES = ("smb_message_echoes", "message_echoes")
ID_UPDATE = "user_id_update"
STATUSES: tuple[DeliveryStatus, ...] = ("sent", "delivered", "read", "played", "failed")
# Types of a price: the customer opened the window, or came through an advert.
FREE = ("free_customer_service", "free_entry_point")
# A human's reaction, change or removal in the app says nothing that a contact would expect the employee to know.
_NOT_SAID = ("reaction", "edit", "delete", "unsupported")
_NUMBER = re.compile(rb'"phone_number_id"\s*:\s*"([0-9]{1,32})"')


def glimpse(body: bytes, most: int) -> list[str]:
    """The first numbers that a raw body seems to name: a hint, found without the time that parsing takes."""
    return list(dict.fromkeys(found[1].decode() for found in islice(_NUMBER.finditer(body), most)))


def parse(body: bytes) -> list[Record]:
    """Parse a raw request body. Never raises: whatever is in it gets a record, and spoils no other."""
    try:
        # Prices and coordinates stay as they were written.
        payload = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        return [Unreadable("", "the body is not JSON")]
    if not isinstance(payload, dict):
        return [Unreadable("", "the body is not a JSON object")]
    entries = payload.get("entry")
    if payload.get("object") != "whatsapp_business_account" or not isinstance(entries, list):
        return [Unreadable("", "not a notification of a WhatsApp Business account")]
    return [record for entry in entries for record in _entry(entry)]


def _entry(entry: Any) -> Iterator[Record]:
    changes = mapping(entry).get("changes")
    if not isinstance(changes, list):
        yield Unreadable("", "an entry without changes")
        return
    for change in changes:
        value = mapping(change).get("value")
        if not isinstance(value, dict):
            yield Unreadable("", "a change without a value")
        else:
            yield from _change(identity(entry.get("id")), identity(change.get("field")), value)


def _change(account: str, field: str, value: dict[str, Any]) -> Iterator[Record]:
    metadata = mapping(value.get("metadata"))
    number, own = identity(metadata.get("phone_number_id")), phone(metadata.get("display_phone_number"))
    if field not in (MESSAGES, ID_UPDATE, *ECHOES):
        yield notice(number, account, field, value)
        return
    if not number:
        yield Unreadable("", f"a change of {field} without a phone_number_id")
        return
    known = mappings(value.get("contacts"))
    for problem in _problems(value):
        yield Notice(number, account, "errors", f"{problem.code}: {problem.text}", alarming=True)
    yield from _each(number, value, "messages", lambda one: _message(number, account, own, one, known))
    yield from _each(number, value, "statuses", lambda one: _status(number, one))
    for field_name in ECHOES:
        yield from _each(number, value, field_name, lambda one: _echo(number, account, one, known))
    yield from _each(number, value, ID_UPDATE, lambda one: people.moved_to(number, one))


def _each(number: str, value: dict[str, Any], name: str, read: Any) -> Iterator[Record]:
    found = value.get(name)
    if found is None:
        return
    if not isinstance(found, list):
        yield Unreadable(number, f"{name} is not a list")
        return
    for one in found:
        yield read(one) if isinstance(one, dict) else Unreadable(number, f"{name} holds what is not an object")


def _message(number: str, account: str, own: str, message: dict[str, Any], known: list[dict[str, Any]]) -> Record:
    id_, kind = identity(message.get("id")), identity(message.get("type"))
    if kind == "system":
        return people.moved(number, account, message)
    person = people.sender(message, known)
    if not id_ or not person.aliases:
        return Unreadable(number, "a message without an id" if not id_ else "a message without a sender")
    if own and own in (person.phone, person.wa_id):
        return Notice(number, account, "echo", "what the business itself said is no contact's message")
    if message.get("group_id"):
        return Notice(number, account, "group", "a message in a group is not answered")
    if kind == "request_welcome":
        return Notice(number, account, kind, "a contact opened the conversation for the first time")
    said = content.read(message)
    if said is None:
        return Unreadable(number, f"a message of type {kind[:40]!r} without its content")
    around = mapping(message.get("context"))
    words = _framed(said.text, message, around) if said.kind == "message" else said.text
    # What is pressed belongs to a message anyway, and says enough.
    quoted = identity(around.get("id")) if said.kind == "message" and kind not in ("interactive", "button") else ""
    return Said(
        number, id_, person, moment(message.get("timestamp")), said.kind, words, said.target, quoted, said.attachments
    )


def _framed(words: str, message: dict[str, Any], around: dict[str, Any]) -> str:
    """The words, after what the contact sees around them."""
    frames = []
    advert = mapping(message.get("referral"))
    told = ", ".join(filter(None, (detail(advert.get(key)) for key in ("headline", "body", "source_url"))))
    if told:
        frames.append(f"[came from the advert: {told}]")
    if product := detail(mapping(around.get("referred_product")).get("product_retailer_id")):
        frames.append(f"[about product {product}]")
    if around.get("frequently_forwarded") is True:
        frames.append("[forwarded many times]")
    elif around.get("forwarded") is True:
        frames.append("[forwarded]")
    return text(" ".join([*frames, words]))


def _echo(number: str, account: str, message: dict[str, Any], known: list[dict[str, Any]]) -> Record:
    id_, person = identity(message.get("id")), people.addressee(message, known)
    if not id_ or not person.aliases:
        return Unreadable(number, "an echo without an id" if not id_ else "an echo without an addressee")
    said = content.read(message)
    if said is None or said.kind in _NOT_SAID:
        return Notice(number, account, "echo", "something in the app that says nothing to the contact")
    at = moment(message.get("timestamp"))
    return Said(number, id_, person, at, "operator", said.text, attachments=said.attachments)


def _status(number: str, status: dict[str, Any]) -> Record:
    id_, word = identity(status.get("id")), identity(status.get("status"))
    known = next((one for one in STATUSES if one == word), None)
    if not id_ or known is None:
        return Unreadable(number, f"a status without an id, or of an unknown kind: {word[:40]!r}")
    pricing = mapping(status.get("pricing"))
    billable = pricing.get("billable")
    if identity(pricing.get("type")) in FREE:
        billable = False
    return Status(
        number=number,
        id=id_,
        status=known,
        at=moment(status.get("timestamp")),
        person=people.recipient(status),
        reply=identity(status.get("biz_opaque_callback_data")),
        problems=tuple(_problems(status)),
        billable=billable if isinstance(billable, bool) else None,
        category=detail(pricing.get("category")),
    )


def _problems(value: dict[str, Any]) -> list[Problem]:
    found = []
    for error in mappings(value.get("errors"))[:10]:
        code = error.get("code")
        told = (
            detail(mapping(error.get("error_data")).get("details")),
            detail(error.get("message")),
            detail(error.get("title")),
        )
        found.append(Problem(code if isinstance(code, int) and abs(code) < 10**9 else -1, next(filter(None, told), "")))
    return found

"""Who it is: https://developers.facebook.com/docs/whatsapp (business-scoped user ids, system messages)."""

from typing import Any

from konstruct.channels.whatsapp.fields import detail, identity, mapping, moment, phone
from konstruct.channels.whatsapp.records import Moved, Notice, Person, Record, Unreadable


def sender(message: dict[str, Any], known: list[dict[str, Any]]) -> Person:
    """Who wrote the message, from itself and from the batch's contacts."""
    return _person(
        identity(message.get("from_user_id")),
        identity(message.get("from_parent_user_id")),
        phone(message.get("from")),
        known,
    )


def addressee(message: dict[str, Any], known: list[dict[str, Any]]) -> Person:
    """To whom the business wrote."""
    return _person(
        identity(message.get("to_user_id")) or identity(message.get("recipient_user_id")),
        identity(message.get("to_parent_user_id")),
        phone(message.get("to")) or phone(message.get("recipient_id")),
        known,
    )


def recipient(status: dict[str, Any]) -> Person:
    """Whom a status is about."""
    return Person(
        identity(status.get("recipient_user_id")),
        identity(status.get("recipient_parent_user_id")),
        phone(status.get("recipient_id")),
    )


def moved(number: str, account: str, message: dict[str, Any]) -> Record:
    """A system message: it has no contacts, and its fields changed names over the years."""
    system, id_ = mapping(message.get("system")), identity(message.get("id"))
    kind = identity(system.get("type"))
    if kind not in ("user_changed_number", "user_changed_user_id", "customer_changed_number"):
        return Notice(number, account, kind or "system", detail(system.get("body")) or "a system message")
    after = Person(
        identity(system.get("user_id")),
        identity(system.get("parent_user_id")),
        phone(system.get("wa_id")) or phone(system.get("new_wa_id")),
    )
    before = (
        identity(system.get("previous_user_id")),
        identity(message.get("from_user_id")),
        identity(system.get("previous_parent_user_id")),
        phone(message.get("from")),
        phone(system.get("customer")),
    )
    return _moved(number, id_, moment(message.get("timestamp")), before, after)


def moved_to(number: str, update: dict[str, Any]) -> Record:
    """One entry of the field user_id_update: ids as {previous, current}, or flat."""
    user, parent = update.get("user_id"), update.get("parent_user_id")
    after = Person(
        identity(mapping(user).get("current")) or identity(user),
        identity(mapping(parent).get("current")) or identity(parent),
        phone(update.get("wa_id")),
    )
    before = (
        identity(mapping(user).get("previous")) or identity(update.get("previous_user_id")),
        identity(mapping(parent).get("previous")) or identity(update.get("previous_parent_user_id")),
    )
    id_ = identity(update.get("id")) or f"user_id_update:{before[0]}:{after.user_id}"[:200]
    return _moved(number, id_, moment(update.get("timestamp")), before, after)


def _moved(number: str, id_: str, at: float, before: tuple[str, ...], after: Person) -> Record:
    known = tuple(dict.fromkeys(alias for alias in before if alias))
    if not known or not after.aliases:
        return Unreadable(number, "a change of ids that does not say which were and are valid")
    return Moved(number, id_, at, known, after)


def _person(user_id: str, parent: str, number: str, known: list[dict[str, Any]]) -> Person:
    contact = _contact(user_id, number, known)
    return Person(
        user_id or identity(contact.get("user_id")),
        parent or identity(contact.get("parent_user_id")),
        number,
        phone(contact.get("wa_id")),
        detail(mapping(contact.get("profile")).get("name")) or detail(mapping(contact.get("profile")).get("username")),
    )


def _contact(user_id: str, number: str, known: list[dict[str, Any]]) -> dict[str, Any]:
    for contact in known:
        if (user_id and identity(contact.get("user_id")) == user_id) or (
            number and phone(contact.get("wa_id")) == number
        ):
            return contact
    # A batch of several people must never lend one of them the ids of another.
    lonely = known[0] if len(known) == 1 else {}
    strangers = (user_id and identity(lonely.get("user_id"))) or (number and phone(lonely.get("wa_id")))
    return {} if strangers else lonely

"""What each payload of tests/payloads/whatsapp comes to."""

from dataclasses import replace
from typing import Any

from konstruct.channels.whatsapp import Moved, Notice, Person, Problem, Record, Said, Status, Unreadable
from konstruct.messages import Attachment, Kind

NUMBER, ACCOUNT, AT = "106500000000001", "102290000000001", 1_793_000_000.0
PHONE, BSUID, PARENT = "4915112345678", "DE.13491208655302741918", "DE.ENT.11815799212886844830"
HOURS = "What are your opening hours?"
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
REPLY = "0a1b2c3d-1111-4222-8333-444455556666"
ANNA = Person(BSUID, "", PHONE, PHONE, "Anna")
SEEN = Person(BSUID, "", PHONE)
UNKNOWN_KIND = "a message of a kind that WhatsApp does not pass on"

Expected = list[Record | type[Notice | Unreadable]]


def said(text: str = HOURS, kind: Kind = "message", person: Person = ANNA, **more: Any) -> Said:
    return Said(**{"number": NUMBER, "id": "wamid.M1", "at": AT, "kind": kind, "text": text, "person": person} | more)


def pressed(text: str) -> Said:
    return said(text)


def file(kind: Any, name: str, media_type: str, number: int, caption: str = "", **more: Any) -> Said:
    found = Attachment(kind, name, media_type, f"{number}003383421387256", None, SHA, **more)
    return said(caption, attachments=(found,))


def status(word: Any, **more: Any) -> Status:
    return Status(NUMBER, "wamid.OUT", word, AT, **{"person": SEEN} | more)


def moved(before: tuple[str, ...], after: Person, id_: str = "wamid.SYS") -> Moved:
    return Moved(NUMBER, id_, AT, before, after)


IMAGE = file("image", "image", "image/jpeg", 1).attachments
ECHO = said("This is Ben from the shop.", "operator", id="wamid.E1")
NEW_PHONE = Person(phone="4917012345678")
UNREADABLE_NAMES = """
    text__empty text__without_body text__without_id text__without_sender text__body_is_a_list image__without_id
    location__nowhere contacts__empty reaction__without_target interactive__empty button__empty order__empty
    edit__of_an_edit edit__without_target revoke__without_target system__without_new_number user_id_update__empty
    status__unknown_word status__without_id smb_message_echoes__without_addressee batch__other_product
    batch__no_entries batch__messages_is_an_object batch__without_number
"""
NOTICE_NAMES = """
    text__in_a_group request_welcome__plain system__customer_identity_changed system__future_kind
    smb_message_echoes__reaction account_update__restriction account_update__verified user_preferences__stop
    message_template_status_update__paused errors__value calls__future_field
"""
EXPECTED: dict[str, Expected] = {
    **{name: [Unreadable] for name in UNREADABLE_NAMES.split()},
    **{name: [Notice] for name in NOTICE_NAMES.split()},
    "text__plain": [said()],
    "text__phone_only": [said(person=Person("", "", PHONE, PHONE, "Anna"))],
    "text__bsuid_only": [said(person=Person(BSUID, name="Anna"))],
    "text__bsuid_only_empty_phone": [said(person=Person(BSUID, name="Anna"))],
    "text__parent_bsuid": [said(person=replace(ANNA, parent_user_id=PARENT))],
    "text__without_contacts": [said(person=SEEN)],
    "text__wa_id_differs": [said(person=Person(phone="5511987654321"))],
    "text__reply": [said(quoted="wamid.QUOTED")],
    "text__forwarded": [said(f"[forwarded] {HOURS}")],
    "text__frequently_forwarded": [said(f"[forwarded many times] {HOURS}")],
    "text__about_product": [said(f"[about product sku-17] {HOURS}", quoted="wamid.CATALOG")],
    "text__from_advert": [said(f"[came from the advert: Summer sale, Everything must go, https://fb.me/acme] {HOURS}")],
    "text__emoji": [said("café 😀 👋 \u200fשלום")],
    "image__caption": [file("image", "image", "image/jpeg", 1, "Is this broken?")],
    "image__plain": [file("image", "image", "image/jpeg", 1)],
    "video__caption": [file("video", "video", "video/mp4", 2, "Look")],
    "document__invoice": [file("document", "invoice 7.pdf", "application/pdf", 3, "my invoice")],
    "audio__voice": [file("audio", "voice note", "audio/ogg; codecs=opus", 4, voice=True)],
    "audio__file": [file("audio", "audio", "audio/mpeg", 5)],
    "sticker__animated": [file("sticker", "sticker", "image/webp", 6)],
    "location__named": [
        said("[location: Philz Coffee, 101 Forest Ave, Palo Alto (37.44216251868683, -122.16153582049394)]")
    ],
    "location__point": [said("[location: (52.5, 13.4)]")],
    "contacts__one": [said("[contact: Barbara J. Johnson, Social Tsunami, +1 (415) 555-0829, barb@example.com]")],
    "contacts__two": [said("[contact: Bo, +491]\n[contact: Cy]")],
    "reaction__added": [said("👍", "reaction", target="wamid.TARGET")],
    "reaction__removed_empty": [said("", "reaction", target="wamid.TARGET")],
    "reaction__removed_absent": [said("", "reaction", target="wamid.TARGET")],
    "interactive__button_reply": [pressed("Cancel")],
    "interactive__our_choice": [pressed("Bring it back to the shop in person")],
    "interactive__list_reply": [pressed("Priority Mail Express")],
    "interactive__form": [pressed("[form: size: L; colours: red, blue; gift: yes; amount: 2]")],
    "interactive__form_unreadable": [pressed("[form: Sent]")],
    "interactive__call_permission": [said("[permission to call: accept]", "aside")],
    "interactive__future_kind": [said("an interactive message of a kind that is not known yet", "unsupported")],
    "button__template_reply": [pressed("Unsubscribe")],
    "order__two_items": [said("[order: 2 x sku-17 at 49.9 EUR; 1 x sku-9 at 5 EUR; Gift wrap please]")],
    "edit__text": [said("Open on Sunday?", "edit", target="wamid.TARGET")],
    "edit__caption": [said("new caption", "edit", target="wamid.TARGET", attachments=IMAGE)],
    "revoke__plain": [said("", "delete", target="wamid.TARGET")],
    "unsupported__131051": [said(UNKNOWN_KIND, "unsupported")],
    "unsupported__future_type": [said(UNKNOWN_KIND, "unsupported")],
    "unsupported__type_is_missing": [said(UNKNOWN_KIND, "unsupported")],
    "unsupported__poll": [said("a poll", "unsupported")],
    "system__user_changed_number": [moved((PHONE,), NEW_PHONE)],
    "system__user_changed_number_with_ids": [moved((BSUID, PHONE), replace(NEW_PHONE, user_id="DE.2222"))],
    "system__user_changed_user_id": [moved(("CO.1234567890",), Person("MX.0987654321"))],
    "system__customer_changed_number": [moved((PHONE,), NEW_PHONE)],
    "user_id_update__nested": [
        moved(("DE.1111", "DE.ENT.1"), Person("DE.2222", "DE.ENT.2", PHONE), "user_id_update:DE.1111:DE.2222")
    ],
    "user_id_update__flat": [moved(("DE.1111",), Person("DE.2222"), "user_id_update:DE.1111:DE.2222")],
    "status__sent": [status("sent", reply=REPLY, billable=True, category="service")],
    "status__delivered": [status("delivered", billable=False, category="service")],
    "status__read": [status("read")],
    "status__played": [status("played")],
    "status__failed": [
        status(
            "failed",
            reply=REPLY,
            problems=(Problem(131047, "More than 24 hours have passed since the recipient last replied."),),
        )
    ],
    "status__bsuid_only": [status("read", person=Person(BSUID))],
    "smb_message_echoes__text": [ECHO],
    "smb_message_echoes__image": [
        replace(
            ECHO,
            person=SEEN,
            text="the new one",
            attachments=(Attachment("image", "image", "image/png", "7003383421387256", None, SHA),),
        )
    ],
    "message_echoes__text": [replace(ECHO, person=SEEN)],
    "batch__mixed": [
        said(),
        Unreadable,
        Unreadable,
        said("And on Sunday?", id="wamid.M2", person=Person("DE.99", "", "4915198765432", "4915198765432", "Bob")),
        status("read"),
        Unreadable,
        said(id="wamid.M3", number="106500000000002"),
        Unreadable,
    ],
}

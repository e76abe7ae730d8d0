"""Who writes faster than a contact may is told once a minute, and read all the same."""

from dataclasses import replace
from itertools import count

import pytest

from konstruct import tenant_file
from konstruct.errors import SettingsInvalid, TenantFileInvalid
from konstruct.escalation import Counters
from konstruct.fair_queue import Pace
from konstruct.identity import conversation_id, shard_of, tenant_id
from konstruct.limits import TOO_FAST, ContactLimit, Limits
from konstruct.messages import Address, Heard
from konstruct.settings import Settings
from konstruct.triage import Decision

ACME = tenant_id("acme")
PLACE = conversation_id(ACME, "slack", "D0ALICE")
TWO = Limits(contact_messages_per_minute=2)
ASKS = Decision("answered", Counters(), asks=True)
FILE = """
tenant: acme
employee: {{name: Ada, instructions: Help., model: local/smollm2}}
{limits}
"""
_ids = count(1)


def said(contact: str = "U0ALICE", **changes: object) -> Heard:
    heard = Heard(
        next(_ids), ACME, PLACE, shard_of(PLACE), 1, 0, "slack", Address("T0", "D0"), contact, "hi", "1.1"
    )  # fmt: skip
    return replace(heard, **changes)  # type: ignore[arg-type]


def test_without_a_limit_everything_is_answered() -> None:
    contacts = ContactLimit()
    assert all(contacts.limited(ASKS, [said()], Limits(), 0.0) is ASKS for _ in range(100))


def test_what_is_over_the_limit_is_told_once_and_then_only_read() -> None:
    contacts = ContactLimit()
    decided = [contacts.limited(ASKS, [said()], TWO, float(n)) for n in range(6)]
    assert [(d.asks, d.text, d.outcome) for d in decided] == [
        (True, "", "answered"),
        (True, "", "answered"),
        (False, TOO_FAST, "answered"),
        *[(False, "", "suppressed")] * 3,
    ]


def test_a_minute_later_the_contact_is_answered_again_and_told_again() -> None:
    contacts = ContactLimit()
    for n in range(4):
        contacts.limited(ASKS, [said()], TWO, float(n))
    assert contacts.limited(ASKS, [said()], TWO, 60.5).asks
    assert contacts.limited(ASKS, [said()], TWO, 61.5).asks
    assert contacts.limited(ASKS, [said()], TWO, 62.5).text == TOO_FAST


def test_what_waited_for_long_is_answered_together() -> None:
    contacts = ContactLimit()
    assert contacts.limited(ASKS, [said() for _ in range(50)], TWO, 0.0) is ASKS
    assert not contacts.limited(ASKS, [said()], TWO, 1.0).asks


def test_others_are_answered_meanwhile() -> None:
    contacts = ContactLimit()
    for _ in range(5):
        contacts.limited(ASKS, [said()], TWO, 0.0)
    assert contacts.limited(ASKS, [said("U0BOB")], TWO, 0.0) is ASKS
    assert contacts.limited(ASKS, [said(), said("U0BOB")], TWO, 0.0) is ASKS


def test_a_turn_that_begins_anew_is_decided_as_before() -> None:
    contacts = ContactLimit()
    turns = [[said()] for _ in range(4)]
    first = [contacts.limited(ASKS, turn, TWO, 0.0) for turn in turns[:3]]
    assert [contacts.limited(ASKS, turn, TWO, 1.0) for turn in turns[:3]] == first
    assert contacts.limited(ASKS, turns[3], TWO, 1.0).text == ""


def test_a_decision_that_asks_no_model_stays() -> None:
    contacts = ContactLimit()
    handed_over = Decision("escalated", Counters(), text="I have asked a colleague.")
    assert all(contacts.limited(handed_over, [said()], TWO, 0.0) is handed_over for _ in range(5))


def test_the_tenants_file_overrides_the_installation_and_null_means_no_limit() -> None:
    installation = Limits(answers_per_minute=100, answers_at_once=7)
    file = FILE.format(limits="limits: {answers_per_minute: null, contact_messages_per_minute: 5}")
    stored = tenant_file.parse(file, {}).limits.stored
    assert stored == {"answers_per_minute": None, "contact_messages_per_minute": 5}
    limits = installation.changed(stored)
    assert (limits.answers_per_minute, limits.answers_at_once, limits.contact_messages_per_minute) == (None, 7, 5)
    assert limits.pace == Pace(7, None)
    assert installation.changed(tenant_file.parse(FILE.format(limits=""), {}).limits.stored) == installation


@pytest.mark.parametrize("wrong", ["answers_per_minute: 0", "answers_at_once: -1", "contact_message: ''", "no_such: 1"])
def test_a_limit_that_makes_no_sense_is_named(wrong: str) -> None:
    with pytest.raises(TenantFileInvalid, match=f"limits.{wrong.split(':', maxsplit=1)[0]}"):
        tenant_file.parse(FILE.format(limits=f"limits: {{{wrong}}}"), {})


def test_the_installations_limits_are_settings_and_unset_means_no_limit() -> None:
    assert Settings.from_environment({}).answers_per_minute is None
    assert Settings.from_environment({"KONSTRUCT_ANSWERS_PER_MINUTE": "30"}).answers_per_minute == 30
    with pytest.raises(SettingsInvalid, match="whole number from 1"):
        Settings.from_environment({"KONSTRUCT_ANSWERS_AT_ONCE": "0"})

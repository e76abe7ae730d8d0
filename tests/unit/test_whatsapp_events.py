"""Meta's webhooks: every documented shape is understood, and one bad part never spoils its batch."""

import json
from pathlib import Path
from typing import Any

import pytest

from konstruct.channels.whatsapp import Notice, Person, Said, Unreadable, parse
from tests.unit.whatsapp_expected import ANNA, BSUID, EXPECTED, HOURS, PHONE, said

PAYLOADS = Path(__file__).parents[1] / "payloads" / "whatsapp"


def payload(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return loaded


@pytest.mark.parametrize("name", sorted(path.stem for path in PAYLOADS.glob("*.json")))
def test_a_webhook_as_meta_documents_it_is_understood(name: str) -> None:
    parsed, expected = parse((PAYLOADS / f"{name}.json").read_bytes()), EXPECTED[name]
    assert len(parsed) == len(expected)
    for one, wanted in zip(parsed, expected, strict=True):
        if isinstance(wanted, type):
            assert isinstance(one, wanted)
        else:
            assert one == wanted


def test_every_payload_has_an_expectation_and_vice_versa() -> None:
    assert set(EXPECTED) == {path.stem for path in PAYLOADS.glob("*.json")}


def test_ids_are_ordered_by_how_long_they_stay_the_same() -> None:
    assert Person(user_id="DE.1", parent_user_id="DE.ENT.1", phone="49", wa_id="49").aliases == (
        "DE.1",
        "DE.ENT.1",
        "49",
    )
    assert Person(phone="49", wa_id="50").aliases == ("49", "50")
    assert Person().aliases == ()


def test_the_phone_number_is_written_to_where_it_is_known() -> None:
    assert ANNA.recipient == PHONE
    assert Person(BSUID).recipient == BSUID


def test_a_restricted_account_alarms_and_a_verified_one_does_not() -> None:
    def alarming(name: str) -> list[bool]:
        records = parse((PAYLOADS / f"{name}.json").read_bytes())
        return [record.alarming for record in records if isinstance(record, Notice)]

    assert alarming("account_update__restriction") == [True]
    assert alarming("message_template_status_update__paused") == [True]
    assert alarming("account_update__verified") == [False]


def test_the_contacts_of_a_batch_are_never_mixed_up() -> None:
    """A sender whom the batch's contacts do not name gets none of their ids."""
    whole = payload("text__plain")
    stranger = {"profile": {"name": "Eve"}, "wa_id": "4999", "user_id": "DE.EVE"}
    whole["entry"][0]["changes"][0]["value"]["contacts"] = [stranger]
    parsed = parse(json.dumps(whole).encode())
    assert parsed == [said(person=Person(BSUID, "", PHONE))]


def test_a_contact_without_any_id_in_the_message_is_known_by_the_batchs_only_contact() -> None:
    whole = payload("text__plain")
    value = whole["entry"][0]["changes"][0]["value"]
    for field in ("from", "from_user_id"):
        del value["messages"][0][field]
    parsed = parse(json.dumps(whole).encode())
    assert isinstance(parsed[0], Said)
    assert set(parsed[0].person.aliases) == {BSUID, PHONE}
    value["contacts"].append({"profile": {"name": "Eve"}, "wa_id": "4999"})
    assert isinstance(parse(json.dumps(whole).encode())[0], Unreadable)


@pytest.mark.parametrize("number", ["4915112345678", "+4915112345678", "+49 151 12345678", "+49-151-12345678"])
def test_a_phone_number_is_the_same_however_it_is_written(number: str) -> None:
    whole = payload("text__phone_only")
    whole["entry"][0]["changes"][0]["value"]["messages"][0]["from"] = number
    parsed = parse(json.dumps(whole).encode())
    assert isinstance(parsed[0], Said)
    assert parsed[0].person.phone == PHONE


def test_a_broken_message_beside_a_good_one_costs_only_itself() -> None:
    whole = payload("text__plain")
    messages = whole["entry"][0]["changes"][0]["value"]["messages"]
    for broken in (None, 5, [], {}, {"id": "wamid.X", "type": "text", "text": 7, "from": PHONE}):
        messages.insert(0, broken)
    parsed = parse(json.dumps(whole).encode())
    assert parsed[-1] == said(HOURS)
    assert all(isinstance(record, Unreadable) for record in parsed[:-1])
    assert len(parsed) == 6

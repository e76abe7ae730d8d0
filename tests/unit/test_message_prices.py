"""The operator's list of message prices, and the country that a message is priced by."""

import json
from pathlib import Path

import pytest

from konstruct.channels.whatsapp import Person, Status, country_of, parse
from konstruct.errors import PricesInvalid
from konstruct.message_prices import parse as parse_prices

LIST = """
version: "2026-10"
valid_from: 2026-10-01
prices:
  - {category: utility, country: DE, micros: 55000}
  - {category: service, micros: 0}
"""


def test_a_list_is_read_with_its_prices_in_millionths() -> None:
    prices = parse_prices(LIST)
    assert [(p.category, p.country, p.micros) for p in prices.prices] == [("utility", "DE", 55000), ("service", "*", 0)]
    assert prices.valid_from.isoformat() == "2026-10-01T00:00:00+00:00"


def test_the_list_that_is_documented_is_accepted() -> None:
    document = (Path(__file__).parents[2] / "docs" / "billing.md").read_text()
    assert parse_prices(document.split("```yaml\n")[1].split("```")[0]).version == "2026-10"


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("[1", "not YAML"),
        ("[]", "the list"),
        (LIST.replace("55000", "0.5"), "prices.0.micros"),
        (LIST.replace("55000", "-5"), "prices.0.micros"),
        (LIST.replace("DE", "Germany"), "prices.0.country"),
        (LIST.replace("service, ", "utility, country: DE, "), "two prices for utility in DE"),
        (LIST + "colour: red", "colour"),
        ("{version: v, valid_from: 2026-10-01, prices: []}", "prices"),
        (LIST.replace("2026-10-01", "0001-01-01"), "between 2000 and 2999"),
    ],
)
def test_a_broken_list_is_refused_with_a_sentence(broken: str, told: str) -> None:
    with pytest.raises(PricesInvalid, match=told):
        parse_prices(broken)


@pytest.mark.parametrize(
    ("person", "country"),
    [
        (Person(phone="4915112345678"), "DE"),
        (Person(phone="16505551234"), "US"),
        (Person(phone="18765551234"), "JM"),
        (Person(phone="15550000002"), "US"),
        (Person(user_id="BR.1349"), "BR"),
        (Person(parent_user_id="US.ENT.1181"), "US"),
        (Person(phone="999123"), ""),
        (Person(phone="1"), ""),
        (Person(user_id="nobody"), ""),
        (Person(), ""),
    ],
)
def test_the_country_is_that_of_the_number_or_of_the_business_scoped_id(person: Person, country: str) -> None:
    assert country_of(person) == country


@pytest.mark.parametrize(
    ("type_", "billable", "read"),
    [
        ("regular", True, True),
        ("regular", False, False),
        ("free_customer_service", True, False),
        ("free_entry_point", None, False),
        ("regular", None, None),
    ],
)
def test_what_meta_calls_free_is_not_billable(type_: str, billable: bool | None, read: bool | None) -> None:
    priced = {"type": type_, "category": "utility"} | ({} if billable is None else {"billable": billable})
    status = {"id": "wamid.1", "status": "delivered", "timestamp": "1793000000", "pricing": priced}
    value = {"metadata": {"phone_number_id": "1065"}, "statuses": [status]}
    entry = {"id": "waba", "changes": [{"field": "messages", "value": value}]}
    (record,) = parse(json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode())
    assert isinstance(record, Status)
    assert record.billable is read

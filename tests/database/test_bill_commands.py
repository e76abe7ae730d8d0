"""`konstruct bill explain`, `resend`, `plans` and `prices`, and their routes."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest_asyncio

from simulator import Fault
from tests.bill_office import Office, bill_office
from tests.biller_rig import ACME, GLOBEX

PLANS = """
plans:
  - {name: solo, monthly_fee_micros: 0, unit: replies, overage_micros: 5, event_name: replies}
"""
PRICES = """
version: "2026-10"
valid_from: 2026-10-01
prices:
  - {category: utility, country: DE, micros: 55000}
"""


@pytest_asyncio.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with bill_office(database_url, tmp_path) as one:
        yield one


async def test_a_line_of_an_invoice_is_explained_to_people_and_to_programs(office: Office) -> None:
    k = office.k
    await k.subscribe(ACME)
    k.use(ACME, 1_400_000)
    k.use(GLOBEX, 5)
    await k.drain()
    this_month = await office.said("explain", "acme")
    assert "acme" in this_month and f"{k.now():%Y-%m}-01 00:00 to" in this_month and "$0.500000" in this_month
    assert await office.said("explain", "acme", "--month", f"{k.now():%Y-%m}") == this_month
    k.stripe.clock.advance(32 * 86_400)
    lines = [line for invoice in k.stripe.objects("invoice") for line in invoice["lines"]["data"]]
    usage = [one for one in lines if one["pricing"]["price_details"]["price"] == k.metered[ACME].usage_price]
    told = json.loads(await office.said("explain", "acme", "--invoice-line", usage[0]["id"], "--each", "--json"))
    assert told["usage"]["invoiced_micros"] == sum(line["amount"] for line in usage) * 10_000 == 500_000
    assert told["difference_micros"] == told["difference_units"] == 0
    [each] = told["each"]
    assert (each["kind"], each["cost_micros"], each["state"]) == ("gpt", 1_400_000, "sent")
    shown = await office.said("explain", "acme", "--invoice-line", usage[0]["id"], "--each")
    assert "agree to the last unit" in shown and each["id"] in shown


async def test_every_row_of_a_bill_is_listed_once_page_by_page(office: Office) -> None:
    k = office.k
    same = k.now().replace(microsecond=0) - timedelta(seconds=2)
    ids = {str(k.use(ACME, micros, same)) for micros in range(230)}
    k.use(GLOBEX, 5)
    k.charge(ACME, 55_000)
    told = json.loads(await office.said("explain", "acme", "--each", "--json"))
    assert [one["id"] for one in told["each"][:-1]] == sorted(ids)
    assert (told["each"][-1]["source"], told["each"][-1]["state"]) == ("message", None)
    first = await office.admin.ask("/tenants/acme/bill/rows?limit=1")
    cursor = first.body["next_cursor"]
    assert (await office.admin.ask(f"/tenants/acme/bill/rows?cursor={cursor}")).status == 200
    assert (await office.admin.ask(f"/tenants/globex/bill/rows?cursor={cursor}")).status == 400
    assert (await office.admin.ask("/tenants/acme/bill/rows?from=0001-01-01T00:00:00%2B05:00")).status == 422
    assert (await office.admin.ask("/tenants/acme/bill/rows?from=2026-01-01T00:00:00Z&to=2025-01-01T00:00:00Z")).body[
        "items"
    ] == []


async def test_what_stripe_refused_is_told_anew(office: Office) -> None:
    await office.k.subscribe(ACME)
    office.k.use(ACME, 800)
    office.k.stripe.faults.rules.append(Fault("refuse", "billing.meter_events.create", error="bad"))
    await office.k.drain()
    assert await office.said("resend", "acme") == "1 refused events of acme will be told to Stripe anew.\n"
    assert office.k.states() == {"waiting": 1}
    told = office.k.rows("select subject, details from audit_events where action = 'usage.resent'")
    assert told == [(f"tenant:{ACME}", {"count": 1})]


async def test_plans_and_prices_are_added_once_and_never_change(office: Office) -> None:
    plans, prices = office.kept("plans.yaml", PLANS), office.kept("prices.yaml", PRICES)
    assert await office.said("plans", "-f", plans) == "New: solo.\n"
    assert await office.said("plans", "-f", plans) == "All these plans were known already.\n"
    valid = "Version 2026-10 of the message prices is valid from 2026-10-01 00:00 UTC.\n"
    assert await office.said("prices", "-f", prices) == valid
    assert "was known already" in await office.said("prices", "-f", prices)
    office.kept("plans.yaml", PLANS.replace("overage_micros: 5", "overage_micros: 6"))
    office.kept("prices.yaml", PRICES.replace("55000", "1"))
    for words, told in (("plans", "the new offer a new name"), ("prices", "the new list a new version")):
        code, said = await office.bill(words, "-f", str(office.home / f"{words}.yaml"))
        assert code == 1 and told in said
    [plan] = office.k.rows("select name, overage_micros from plans")
    assert plan == ("solo", 5)
    assert office.k.rows("select price_micros from message_prices") == [(55_000,)]


async def test_what_is_wrong_with_a_file_is_a_problem_that_names_the_field(office: Office) -> None:
    list_ = {"version": "v", "valid_from": "2026-10-01", "prices": [{"category": "utility", "micros": 1}]}
    for route, body, field in (
        ("plans", {"plans": [{"name": "solo"}]}, "body.plans.0.unit"),
        ("plans", {"plans": 5}, "body.plans"),
        ("message-prices", list_ | {"prices": []}, "body.prices"),
        ("message-prices", list_ | {"valid_from": "0001-01-01"}, "body.valid_from"),
    ):
        answer = await office.admin.ask(f"/installation/{route}", "POST", body=body)
        assert answer.status == 422
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert field in [one["field"] for one in answer.body["errors"]]


async def test_a_refusal_is_one_sentence(office: Office) -> None:
    for words, told in (
        (("explain", "acme", "--month", "2026-13"), "2026-13"),
        (("explain", "acme", "--month", "2026-11", "--invoice-line", "il_1"), "not for both"),
        (("explain", "acme", "--invoice-line", "il_1"), "has a line il_1"),
        (("explain", "nobody"), "no tenant nobody"),
        (("resend", "nobody"), "no tenant nobody"),
        (("plans", "-f", "nowhere.yaml"), "cannot be read"),
        (("prices", "-f", "README.md"), "price list"),
    ):
        code, said = await office.bill(*words)
        assert code != 0
        assert told in said
        assert "Traceback" not in said

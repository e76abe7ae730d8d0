"""`konstruct bill reconcile`, and its route: all tenants' ledgers beside Stripe's sums, on demand."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest_asyncio

from tests.bill_office import Office, bill_office
from tests.biller_rig import ACME, GLOBEX


@pytest_asyncio.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with bill_office(database_url, tmp_path) as one:
        yield one


async def test_books_that_agree_and_books_that_do_not(office: Office) -> None:
    k = office.k
    assert await office.said("reconcile") == "No tenant subscribes to a plan.\n"
    await k.subscribe(ACME)
    await k.subscribe(GLOBEX)
    earlier = k.now() - timedelta(hours=1)
    k.use(ACME, 1234, earlier)
    k.use(GLOBEX, 99, earlier)
    await k.drain()
    assert await office.said("reconcile")
    k.execute("update usage set cost_micros = 2234 where cost_micros = 1234")
    code, said = await office.bill("reconcile", "--json")
    found = {one["tenant"]: one for one in json.loads(said) if one["month"] == f"{earlier:%Y-%m}-01"}
    assert code == 1
    assert (found["acme"]["difference"], found["acme"]["difference_micros"]) == (1000, 1250)
    assert (found["globex"]["ledger"], found["globex"]["difference"]) == (99, 0)
    assert (await office.bill("reconcile"))[0] == 1
    kept = await office.admin.ask("/tenants/acme/bill/reconciliations")
    assert kept.body["items"][0]["difference"] == 1000


async def test_tenants_are_compared_a_page_at_a_time(office: Office) -> None:
    await office.k.subscribe(ACME)
    await office.k.subscribe(GLOBEX)
    seen, cursor = set(), ""
    for _ in range(2):
        page = await office.admin.ask(f"/installation/reconciliations?limit=1{cursor}", "POST")
        seen |= {one["tenant"] for one in page.body["items"]}
        cursor = f"&cursor={page.body['next_cursor']}"
    assert seen == {"acme", "globex"}
    assert page.body["next_cursor"] is None
    both = await asyncio.gather(*(office.admin.ask("/installation/reconciliations", "POST") for _ in range(2)))
    assert [one.status for one in both] == [200, 200]


async def test_only_the_installations_owner_compares_and_sets_prices(office: Office) -> None:
    office.k.execute("insert into employees values (%s, gen_random_uuid(), 'Ada', 'Ada', 'local/x')", ACME)
    owner = await office.admin.token("acme")
    for route in ("plans", "message-prices", "reconciliations"):
        answer = await office.admin.ask(f"/installation/{route}", "POST", token=owner, body={})
        assert answer.status == 403, route


async def test_without_a_key_nothing_is_compared_nor_kept(database_url: str, tmp_path: Path) -> None:
    async with bill_office(database_url, tmp_path, stripe_secret_key=None) as office:
        await office.k.subscribe(ACME)
        code, said = await office.bill("reconcile")
        assert code == 1 and "KONSTRUCT_STRIPE_SECRET_KEY is not set" in said
        assert office.k.rows("select * from reconciliations") == []


async def test_a_key_that_stripe_refuses_is_named_and_no_difference_is_kept(database_url: str, tmp_path: Path) -> None:
    async with bill_office(database_url, tmp_path, stripe_secret_key="sk_test_of_somebody_else") as office:
        await office.k.subscribe(ACME)
        office.k.use(ACME, 5, office.k.now() - timedelta(hours=1))
        code, said = await office.bill("reconcile")
        assert code == 1 and "Stripe refuses KONSTRUCT_STRIPE_SECRET_KEY" in said
        assert office.k.rows("select * from reconciliations") == []

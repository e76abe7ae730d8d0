"""`/bill` over HTTP: explained to whoever may look, told anew by owners only."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest_asyncio

from konstruct.database import plans
from konstruct.identity import tenant_id
from tests.admin_rig import AdminRig, admin_rig
from tests.database.test_plans import TEAM

ACME = tenant_id("acme")


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with admin_rig(database_url, tmp_path) as whole:
        await plans.keep(whole.rig.database, [TEAM])
        whole.sql(
            "insert into subscriptions (tenant_id, id, customer, plan, status, started_at, observed_at)"
            " values (%s, 'sub', 'cus', 'team', 'active', now() - interval '1 hour', now())",
            ACME,
        )
        whole.sql(
            "insert into message_charges (tenant_id, id, category, country, delivered, billable, cost_micros,"
            " price_version, created_at, priced_at) select %s, gen_random_uuid(), 'utility', 'DE', true, true,"
            " 30000000, '', now(), now()",
            ACME,
        )
        whole.sql("select derive_meter_events(%s, now() - interval '1 day', now())", ACME)
        whole.sql("update meter_events set state = 'refused', error = 'no_meter'")
        yield whole


async def test_a_month_is_explained_with_every_difference_named(k: AdminRig) -> None:
    viewer = await k.token("acme", "viewer")
    answer = await k.ask("/tenants/acme/bill", token=viewer)
    assert answer.status == 200, answer.text
    assert [entry["unpriced"] for entry in answer.body["entries"]] == [1]
    assert answer.body["plan"]["name"] == "team"
    assert answer.body["movements"]["ledger"] == answer.body["movements"]["refused"] == 30_000_000
    assert answer.body["usage"]["used"] == 0
    other = await k.ask("/tenants/acme/bill?month=2026-01", token=viewer)
    assert (other.body["entries"], other.body["plan"]) == ([], None)


async def test_refused_usage_is_shown_and_told_anew_by_owners_only(k: AdminRig) -> None:
    viewer, owner = await k.token("acme", "viewer"), await k.token("acme")
    shown = await k.ask("/tenants/acme/bill/refused", token=viewer)
    assert [(one["state"], one["error"], one["value"]) for one in shown.body["items"]] == [
        ("refused", "no_meter", 30_000_000)
    ]
    assert (await k.ask("/tenants/acme/bill/resend", "POST", token=viewer)).status == 403
    again = [await k.ask("/tenants/acme/bill/resend", "POST", token=owner, Idempotency_Key="k1") for _ in range(2)]
    assert [one.body for one in again] == [{"count": 1}] * 2
    assert k.sql("select state, anew from meter_events") == [("waiting", 1)]


async def test_the_last_comparisons_are_shown(k: AdminRig) -> None:
    at = datetime(2026, 11, 26, 3, tzinfo=UTC)
    k.sql("insert into reconciliations values (%s, '2026-11-01', 'cus', 'x', 5, 3, 0, 2, 2, 2, %s)", ACME, at)
    answer = await k.ask("/tenants/acme/bill/reconciliations", token=await k.token("acme", "viewer"))
    assert [(one["month"], one["difference"], one["refused"]) for one in answer.body["items"]] == [("2026-11-01", 2, 2)]


async def test_what_makes_no_sense_is_refused(k: AdminRig) -> None:
    for asked in ("month=2026-13", "month=x", "month=2026-11&invoice_line=il_1", "invoice_line=%2F"):
        assert (await k.ask(f"/tenants/acme/bill?{asked}")).status == 422
    off = await k.ask("/tenants/acme/bill?invoice_line=il_1")
    assert (off.status, "KONSTRUCT_STRIPE_SECRET_KEY" in off.body["detail"]) == (409, True)

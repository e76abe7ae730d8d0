"""What is done to the whole installation is in a chain of its own: sealed and verified like a tenant's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from actors.auditor import Auditor
from deployments.admin.page import INSTALLATION
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.signing import Signer
from konstruct.database import audit
from konstruct.evidence import Evidence
from konstruct.metrics import Unmeasured
from tests.admin_rig import AdminRig, admin_rig

PLAN = {"name": "solo", "monthly_fee_micros": 0, "unit": "replies", "overage_micros": 5, "event_name": "replies"}
PRICES = {"version": "2026-10", "valid_from": "2026-10-01", "prices": [{"category": "utility", "micros": 5}]}


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with admin_rig(database_url, tmp_path) as whole:
        yield whole


async def configure(k: AdminRig) -> None:
    for route, method, body in (
        ("plans", "POST", {"plans": [PLAN]}),
        ("message-prices", "POST", PRICES),
        ("hosts", "PUT", {"wanted": 2}),
    ):
        assert (await k.ask(f"/installation/{route}", method, body=body)).status == 200


async def test_each_change_leaves_one_row_and_a_repetition_none(k: AdminRig) -> None:
    await configure(k)
    await configure(k)
    assert (await k.ask("/installation/plans", "POST", body={"plans": [PLAN | {"overage_micros": 6}]})).status == 409
    rows = (await k.ask("/installation/audit")).body["items"]
    assert [(one["action"], one["subject"]) for one in reversed(rows)] == [
        ("plan.created", "plan:solo"),
        ("message_prices.created", "message_prices:2026-10"),
        ("hosts.changed", "hosts"),
    ]
    assert {one["actor"] for one in rows} == {"installation"}
    assert len((await k.ask("/installation/audit?action=plan.created")).body["items"]) == 1
    assert (await k.ask("/installation/audit", token=await k.token("acme"))).status == 403


async def test_it_is_sealed_and_verified_like_a_tenants(k: AdminRig) -> None:
    await configure(k)
    database, keys, file = k.rig.database, Signer(k.rig.settings.master_keys), AnchorFile(k.rig.settings.home)
    await Auditor(database, keys, Unmeasured(), file).seal_once()
    assert INSTALLATION in await audit.tenants(database)
    assert [one["place"] for one in (await k.ask("/installation/audit")).body["items"]] == [3, 2, 1]

    async def findings() -> list[str]:
        return [str(finding) async for finding in Evidence(database, keys, file).of_tenant(INSTALLATION)]

    assert await findings() == []
    k.sql("alter table audit_events disable trigger user")
    k.sql("update audit_events set subject = 'plan:other' where action = 'plan.created'")
    assert len(await findings()) == 1

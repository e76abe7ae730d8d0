"""The nightly look at the audit, by a clock that the test sets; and what hosts do with keys."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest_asyncio

from actors.nightly_verification import NightlyVerification
from tests.database.audited import ACME, Audited, Gauges, audited
from tests.rig import rig

DAY = 86_400.0
EVENING = 1_000 * DAY + 20 * 3600


@pytest_asyncio.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Audited]:
    async with audited(database_url, tmp_path) as ready:
        await ready.happen(2)
        yield ready


async def test_once_a_night_all_is_verified_and_the_tenants_operators_are_told_what_is_wrong(town: Audited) -> None:
    clock, told, gauges = [EVENING], list[tuple[UUID, str, str]](), Gauges()

    async def tell(tenant: UUID, key: str, text: str) -> None:
        told.append((tenant, key, text))

    watch = NightlyVerification(town.database, town.evidence(), gauges, tell, now=lambda: clock[0])
    assert await watch.look() is None
    clock[0] += DAY / 2
    assert await watch.look() == 0
    assert await watch.look() is None
    town.intrude(f"update audit_events set actor = 'x' where tenant_id = '{ACME}'")
    clock[0] += DAY
    assert await watch.look() == 9
    assert gauges.values["konstruct_audit_findings"] == 9
    [(tenant, _, text)] = told
    assert tenant == ACME
    assert "changed: row 1 (" in text
    assert "and 4 more" in text


async def test_whose_secrets_a_host_holds_is_on_record_once(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        for number in (1, 2):
            await k.slack.say("Hello?")
            await k.replies(number)
        town = Audited(database_url, tmp_path, k.database, k.settings.master_keys)
        used = town.intrude("select subject from audit_events where action = 'key.used'")
        assert [subject for (subject,) in used if subject.startswith("channel:slack/")] == [
            subject for (subject,) in used
        ]
        assert len(used) == 1

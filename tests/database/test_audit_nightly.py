"""The nightly look at the audit, by a clock that the test sets; and what hosts do with keys."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest_asyncio

from actors.nightly_verification import NightlyVerification
from actors.sealing_watch import SealingWatch
from konstruct.database import installation
from tests.database.audited import ACME, Audited, Gauges, audited
from tests.rig import rig

UNSEALED = "not exists (select from audit_seals s where s.event_id = audit_events.id)"
OLDER = f"update audit_events set at = at - interval '11 minutes' where tenant_id = '{ACME}' and {UNSEALED}"
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
    assert await watch.look() == 0
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


async def test_a_restart_after_the_hour_makes_up_for_the_night_and_one_after_that_repeats_nothing(
    town: Audited,
) -> None:
    clock, told = [EVENING], list[str]()

    async def tell(_tenant: UUID, _key: str, text: str) -> None:
        told.append(text)

    def restarted(gauges: Gauges) -> NightlyVerification:
        return NightlyVerification(town.database, town.evidence(), gauges, tell, now=lambda: clock[0])

    assert await restarted(Gauges()).look() == 0
    town.intrude(f"update audit_events set actor = 'x' where tenant_id = '{ACME}'")
    clock[0] += DAY / 2
    assert await restarted(Gauges()).look() == 9
    gauges = Gauges()
    assert await restarted(gauges).look() is None
    assert gauges.values["konstruct_audit_findings"] == 9, "what was found stays in the metric"
    assert len(told) == 1


async def test_rows_that_wait_too_long_for_their_seal_are_told_of_once_a_day(town: Audited) -> None:
    clock, told = [EVENING], list[tuple[UUID, str]]()

    async def tell(tenant: UUID, _key: str, text: str) -> None:
        told.append((tenant, text))

    watch, auditor = SealingWatch(town.database, tell, now=lambda: clock[0]), town.auditor()
    with psycopg.connect(town.url) as open_for_long:
        open_for_long.execute("select pg_current_xact_id()")
        await town.converse()
        assert await auditor.seal_once() == 0
        assert 0 < (await installation.status(town.database)).audit_unsealed_seconds < 60
        await watch.look()
        assert told == []
        town.intrude(
            f"update audit_events set at = at - interval '11 minutes' where tenant_id = '{ACME}' and {UNSEALED}"
        )
        assert 660 < (await installation.status(town.database)).audit_unsealed_seconds < 720
        await watch.look()
        await watch.look()
        assert [tenant for tenant, _ in told] == [ACME]
        assert "waited for their seal for 11 minutes" in told[0][1]
        clock[0] += DAY
        await watch.look()
        assert len(told) == 2
    assert await auditor.seal_once() == 8
    clock[0] += DAY
    await watch.look()
    assert len(told) == 2
    assert (await installation.status(town.database)).audit_unsealed_seconds == 0


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

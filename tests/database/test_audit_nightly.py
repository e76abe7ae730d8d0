"""The nightly look at the audit, by a clock that the test sets; and what hosts do with keys."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from actors import auditor
from actors.nightly_verification import NightlyVerification
from actors.sealing_watch import SealingWatch
from konstruct.audit.statements import Signed
from konstruct.database import audit, installation
from konstruct.database.pool import Database
from konstruct.metrics import Tally, Unmeasured
from tests.bench.bare_turns import BareTurns
from tests.database.audited import ACME, Audited, Gauges, audited
from tests.rig import rig

UNSEALED = "not exists (select from audit_seals s where s.event_id = audit_events.id)"
OLDER = f"update audit_events set at = at - interval '11 minutes' where tenant_id = '{ACME}' and {UNSEALED}"
DAY = 86_400.0
EVENING = 1_000 * DAY + 20 * 3600


class Counted(Unmeasured):
    """What was counted goes into a tally."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def count(self, name: str, label: str = "", by: float = 1) -> None:
        """Add to it."""
        self._tally.count(name, label, by)


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

    watch, sealing = SealingWatch(town.database, tell, now=lambda: clock[0]), town.auditor()
    with psycopg.connect(town.url) as open_for_long:
        open_for_long.execute("select pg_current_xact_id()")
        await town.converse()
        assert await sealing.seal_once() == 0
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
    assert await sealing.seal_once() == 8
    clock[0] += DAY
    await watch.look()
    assert len(told) == 2
    assert (await installation.status(town.database)).audit_unsealed_seconds == 0


async def test_sealing_goes_on_beside_a_look_that_lasts_and_one_that_fails(
    town: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor, "ROUND_SECONDS", 0.05)
    ended, tally, tries = asyncio.Event(), Tally(), 0

    async def lasting() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async def failing() -> None:
        nonlocal tries
        tries += 1
        raise RuntimeError("a surprise")

    sealing = town.auditor(metrics=Counted(tally), looks=[lasting, failing])
    await sealing.start()
    await asyncio.sleep(0.1)
    await town.converse()
    async with asyncio.timeout(20):
        while town.unsealed(ACME) or tries < 3:
            await asyncio.sleep(0.05)
    sealing.check_health()
    assert not ended.is_set()
    await sealing.stop()
    assert ended.is_set()
    with pytest.raises(RuntimeError):
        sealing.check_health()
    counted = {(name, labels["kind"]): by for name, labels, by in tally.take()}
    assert counted["konstruct_audit_failures_total", "look"] == tries


async def test_what_is_sealed_while_all_is_verified_is_no_finding(
    town: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, sealed = audit.anchors, 0

    async def anchors(
        database: Database, marks: list[bytes] | None = None, after: int = 0
    ) -> AsyncIterator[list[Signed]]:
        nonlocal sealed
        await town.converse([await BareTurns.begin(town.database, name) for name in ("acme", f"newcomer-{sealed}")])
        sealed += await town.auditor().seal_once()
        async for page in read(database, marks, after):
            yield page

    monkeypatch.setattr(audit, "anchors", anchors)
    assert await town.findings() == []
    assert await town.all_findings() == []
    assert sealed


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

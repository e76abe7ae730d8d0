"""Old months go whole, after each chain has said so; what stays is verified as before."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from actors.retention import StillUnsealed, state_drop
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.signing import Signer
from konstruct.audit_export import ALWAYS, export
from konstruct.database import audit_months
from tests.database.audited import ACME, GLOBEX, Audited, audited

MARCH, APRIL = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
MONTHS = [
    f"create table audit_months.{kind}_2024_0{month} partition of audit_{kind}"
    f" for values from ('2024-0{month}-01 00:00+00') to ('2024-0{month + 1}-01 00:00+00')"
    for kind in ("events", "seals")
    for month in (2, 3)
]


def written(at: str, subject: str) -> str:
    return (
        "insert into audit_events (tenant_id, action, subject, at)"
        f" values ('{ACME}', 'reply.sent', '{subject}', '{at} 12:00+00')"
    )


@pytest_asyncio.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Audited]:
    """Rows of two old months; one of February was committed after one of March."""
    async with audited(database_url, tmp_path) as ready:
        ready.intrude(*MONTHS, written("2024-02-28", "first"), written("2024-03-01", "kept"))
        ready.intrude(written("2024-02-29", "late"), written("2024-03-02", "second"))
        await ready.auditor().seal_once()
        await ready.happen(2)
        yield ready


async def drop(town: Audited, before: datetime) -> list[str]:
    await state_drop(town.database, Signer(town.keys), AnchorFile(town.home), before)
    return audit_months.drop_months(town.url, before)


async def test_what_stays_is_verified_after_old_months_are_gone(town: Audited) -> None:
    assert await drop(town, MARCH) == ["audit_months.events_2024_02", "audit_months.seals_2024_02"]
    subjects = town.intrude("select subject from audit_events where at < '2025-01-01' order by at")
    assert subjects == [("kept",), ("second",)]
    assert await town.findings(ACME) == await town.findings(GLOBEX) == await town.all_findings() == []
    await town.happen(1)
    assert await town.findings(ACME) == []
    assert await drop(town, APRIL) == ["audit_months.events_2024_03", "audit_months.seals_2024_03"]
    assert await town.findings(ACME) == await town.all_findings() == []
    lines = [line async for line in export(town.database, Signer(town.keys), ACME, *ALWAYS)]
    assert len(lines) > 10


async def test_a_month_with_a_row_of_a_tenant_of_which_nothing_was_ever_sealed_stays(town: Audited) -> None:
    town.intrude(written("2024-02-10", "new").replace(str(ACME), str(uuid4())))
    with pytest.raises(StillUnsealed):
        await drop(town, MARCH)
    assert town.intrude("select count(*) from audit_events where at < '2024-03-01'") == [(3,)]
    await town.auditor().seal_once()
    assert len(await drop(town, MARCH)) == 2
    assert await town.all_findings() == []


async def test_a_row_that_comes_after_the_statement_of_what_goes_stays(town: Audited) -> None:
    await state_drop(town.database, Signer(town.keys), AnchorFile(town.home), MARCH)
    town.intrude(written("2024-02-10", "new"))
    with pytest.raises(StillUnsealed):
        audit_months.drop_months(town.url, MARCH)
    with pytest.raises(StillUnsealed):
        await drop(town, MARCH)


async def test_dropping_twice_or_after_a_crash_in_between_says_it_once(town: Audited) -> None:
    stated = await state_drop(town.database, Signer(town.keys), AnchorFile(town.home), MARCH)
    assert stated == [(ACME, 3)]
    assert await town.findings(ACME) == []
    assert await state_drop(town.database, Signer(town.keys), AnchorFile(town.home), MARCH) == []
    assert len(audit_months.drop_months(town.url, MARCH)) == 2
    assert await drop(town, MARCH) == []
    assert await town.findings(ACME) == []


@pytest.mark.parametrize(
    ("planted", "sentence"),
    [
        ("update audit_events set actor = 'x' where subject = 'kept'", "changed: row 2 ("),
        ("delete from audit_events where subject = 'kept'", "removed: row 2 ("),
        (f"delete from audit_seals where tenant_id = '{ACME}' and seq = 2", "gap: row 2 is missing"),
        ("update audit_events set actor = 'x' where subject = 'second'", "changed: row 4 ("),
        (f"delete from audit_seals where tenant_id = '{ACME}' and seq = 4", "gap: row 4 is missing"),
        (
            f"insert into audit_seals values ('{ACME}', 1, now(), gen_random_uuid(), '')",
            "foreign: row 1 (",
        ),
    ],
)
async def test_what_is_changed_around_the_gap_is_found(town: Audited, planted: str, sentence: str) -> None:
    await drop(town, MARCH)
    town.intrude(planted)
    found = await town.findings(ACME)
    assert [finding for finding in found if finding.startswith(sentence)], found


async def test_a_month_that_was_dropped_without_a_word_is_a_gap(town: Audited) -> None:
    audit_months.drop_months(town.url, MARCH)
    assert "gap: row 1 is missing from the chain" in await town.findings(ACME)


async def test_nothing_goes_that_is_not_sealed(town: Audited) -> None:
    town.intrude(written("2024-02-10", "unsealed"))
    with pytest.raises(StillUnsealed):
        await drop(town, MARCH)
    assert town.intrude("select count(*) from audit_events where subject = 'first'") == [(1,)]


def test_months_are_counted_back_over_the_year() -> None:
    now = datetime(2026, 2, 14, 5, tzinfo=UTC)
    assert audit_months.months_before(now, 1) == datetime(2026, 1, 1, tzinfo=UTC)
    assert audit_months.months_before(now, 14) == datetime(2024, 12, 1, tzinfo=UTC)


def test_the_application_cannot_drop_a_month(database_url: str) -> None:
    with psycopg.connect(database_url) as owner:
        owner.execute("set local role konstruct_app")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("drop table audit_months.events_rest")

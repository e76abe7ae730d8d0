"""Whatever a superuser changes in the audit afterwards, verifying finds it and names it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from cryptography.fernet import Fernet

from tests.database.audit_tampering import PLANTED
from tests.database.audited import ACME, GLOBEX, Audited, audited


@pytest_asyncio.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Audited]:
    async with audited(database_url, tmp_path) as ready:
        yield ready


async def test_what_nobody_touched_is_as_it_was_sealed(town: Audited) -> None:
    await town.happen()
    assert await town.findings(ACME) == await town.findings(GLOBEX) == await town.all_findings() == []
    assert town.intrude(f"select max(seq), count(*) from audit_seals where tenant_id = '{ACME}'") == [(13, 13)]
    assert await town.auditor().seal_once() == 0


@pytest.mark.parametrize("planted", PLANTED)
async def test_what_a_superuser_changes_is_found_and_named(town: Audited, planted: str) -> None:
    statements, sentence = PLANTED[planted]
    await town.happen()
    for seq in (5, 6):
        sentence = sentence.replace(f"{{{seq}}}", str(town.seal_of(seq)))
    town.intrude(*statements.replace("MARK", town.mark(ACME)).split(";"))
    found = await town.findings(ACME)
    assert [finding for finding in found if sentence in finding], found


async def test_a_change_in_one_tenants_audit_is_no_finding_of_another(town: Audited) -> None:
    await town.happen()
    town.intrude(f"update audit_events set subject = 'x' where tenant_id = '{GLOBEX}'")
    assert await town.findings(ACME) == []
    assert len(await town.findings(GLOBEX)) == 13


async def test_one_changed_row_is_one_finding(town: Audited) -> None:
    await town.happen()
    town.intrude(*PLANTED["a changed actor"][0].split(";"))
    assert len(await town.findings(ACME)) == 1


async def test_the_chain_of_all_tenants_names_what_is_missing_in_it(town: Audited) -> None:
    await town.happen()
    town.intrude("delete from audit_anchors where place = 3")
    assert "cut: anchors 3 to 3 are missing" in await town.all_findings()
    assert "cut: 1 anchors of 6 are missing" in await town.findings(GLOBEX)


async def test_a_tenant_without_a_trace_left_is_missed(town: Audited) -> None:
    await town.happen()
    tables = ("audit_events", "audit_seals", "audit_checkpoints")
    town.intrude(*(f"delete from {table} where tenant_id = '{ACME}'" for table in tables))
    assert [finding for finding in await town.all_findings() if finding.startswith("cut: all 3 checkpoints")]


async def test_a_row_that_commits_late_is_sealed_after_the_others_and_breaks_nothing(town: Audited) -> None:
    await town.happen(1)
    with psycopg.connect(town.url) as late:
        late.execute("insert into audit_events (tenant_id, action, subject) values (%s, 'x', 'late')", [ACME])
        await town.happen(1)
        auditor = town.auditor()
        assert await auditor.seal_once() == 0, "what came after a running transaction was sealed before it ended"
        late.commit()
        assert await auditor.seal_once() == 9
    assert await auditor.seal_once() == 0
    assert await town.findings(ACME) == []


async def test_after_a_restore_into_a_young_server_sealing_goes_on(town: Audited) -> None:
    """A dump brings rows along whose transaction numbers are yet to come there."""
    await town.happen(2)
    town.intrude(
        "update audit_events set xid = xid + 1000000", "update audit_anchors set floor = floor + 1000000",
        f"insert into audit_events (tenant_id, action, subject, xid) values ('{ACME}', 'x', 'unsealed', 1000000)",
    )  # fmt: skip
    auditor = town.auditor()
    assert await auditor.seal_once() == 1
    await town.happen(1)
    assert await auditor.seal_once() == 0
    assert await town.findings(ACME) == []


async def test_a_new_master_key_vouches_for_the_one_before(town: Audited) -> None:
    await town.happen(1)
    old, new = town.keys[0], Fernet.generate_key().decode()
    town.keys = (new, old)
    await town.happen(1)
    town.keys = (new,)
    await town.happen(1)
    assert await town.findings(ACME) == []
    assert await town.all_findings() == []
    town.keys = (Fernet.generate_key().decode(),)
    assert [finding for finding in await town.findings(ACME) if finding.startswith("unsigned: ")]


async def test_two_auditors_at_once_seal_every_row_once(town: Audited) -> None:
    await town.happen(1)
    await town.auditor().seal_once()
    many = "'x', n::text from generate_series(1, 12000) n"
    town.intrude(f"insert into audit_events (tenant_id, action, subject) select '{ACME}', {many}")
    both = await asyncio.gather(town.auditor().seal_once(), town.auditor().seal_once())
    more = await town.auditor().seal_once()
    assert sum(both) + more == 12000
    assert await town.findings(ACME) == []

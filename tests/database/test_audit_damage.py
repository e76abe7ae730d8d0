"""Whoever breaks the end of a chain stops neither other tenants' sealing nor the nightly alarm."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from actors.auditor import Look
from actors.nightly_verification import NightlyVerification
from tests.database.audited import ACME, GLOBEX, Audited, Gauges, audited

NEWEST = f"tenant_id = '{ACME}' and number = (select max(number) from audit_checkpoints where tenant_id = '{ACME}')"
DAMAGE = {
    "no JSON": "content = 'x'",
    "no checkpoint": "content = '{}'",
    "a word where a number was": """content = replace(content, '"number":2', '"number":"2"')""",
    "a number beyond all": """content = replace(content, '"last":9', '"last":9999999999999999999')""",
    "a hash that is none": """content = regexp_replace(content, '"hash":"..', '"hash":"zz')""",
}
ROWS_OF_TWO_TURNS = 4


@pytest_asyncio.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Audited]:
    async with audited(database_url, tmp_path) as ready:
        await ready.happen(2)
        await ready.converse()
        yield ready


@asynccontextmanager
async def sealing(town: Audited, gauges: Gauges, *looks: Look) -> AsyncIterator[Callable[[], None]]:
    """An Auditor that runs; what is given raises where it ended."""
    auditor = town.auditor(metrics=gauges, looks=looks)
    await auditor.start()
    try:
        yield auditor.check_health
    finally:
        await auditor.stop()


async def until_sealed_and_verified(gauges: Gauges) -> None:
    async with asyncio.timeout(20):
        while not {"konstruct_audit_findings", "konstruct_audit_blocked_tenants"} <= set(gauges.values):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_end_of_one_chain_stops_neither_the_others_nor_the_alarm(town: Audited, damage: str) -> None:
    town.intrude(f"update audit_checkpoints set {DAMAGE[damage]} where {NEWEST}")
    told, gauges, clock = dict[UUID, str](), Gauges(), [0.0]

    async def tell(tenant: UUID, _key: str, text: str) -> None:
        told[tenant] = text

    verification = NightlyVerification(town.database, town.evidence(), gauges, tell, now=lambda: clock[0])
    clock[0] += 86_400
    async with sealing(town, gauges, verification.look) as check_health:
        await until_sealed_and_verified(gauges)
        check_health()
    assert town.unsealed(GLOBEX) == 0
    assert town.unsealed(ACME) == ROWS_OF_TWO_TURNS
    assert gauges.values["konstruct_audit_blocked_tenants"] == 1
    assert "damaged: checkpoint 2 cannot be read" in told[ACME]
    assert GLOBEX not in told


async def test_with_the_end_put_back_sealing_goes_on_where_it_stopped(town: Audited) -> None:
    [(content,)] = town.intrude(f"select content from audit_checkpoints where {NEWEST}")
    town.intrude(f"update audit_checkpoints set content = 'x' where {NEWEST}")
    auditor = town.auditor()
    assert await auditor.seal_once() == ROWS_OF_TWO_TURNS
    await town.converse()
    assert await auditor.seal_once() == ROWS_OF_TWO_TURNS, "of globex only"
    town.intrude(f"update audit_checkpoints set content = '{content}' where {NEWEST}")
    assert await auditor.seal_once() == 2 * ROWS_OF_TWO_TURNS
    assert await town.findings(ACME) == await town.findings(GLOBEX) == await town.all_findings() == []


async def test_a_damaged_chain_of_all_tenants_seals_nothing_and_is_named_at_night(town: Audited) -> None:
    town.intrude("update audit_anchors set content = 'x' where place = (select max(place) from audit_anchors)")
    gauges, clock = Gauges(), [0.0]

    async def tell(_tenant: UUID, _key: str, _text: str) -> None:
        pass

    verification = NightlyVerification(town.database, town.evidence(), gauges, tell, now=lambda: clock[0])
    clock[0] += 86_400
    async with sealing(town, gauges, verification.look) as check_health:
        await until_sealed_and_verified(gauges)
        check_health()
    assert gauges.values["konstruct_audit_blocked_tenants"] == 2
    assert gauges.values["konstruct_audit_findings"] > 0


async def test_a_public_key_that_cannot_be_read_stops_nothing(town: Audited) -> None:
    town.intrude("update audit_keys set content = 'x'")
    assert await town.auditor().seal_once() == 2 * ROWS_OF_TWO_TURNS
    assert await town.findings() == []

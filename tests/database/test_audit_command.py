"""`konstruct audit` as an operator runs it: a process with an exit status, and a token instead of the database."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.admin_rig import ADMIN_TOKEN, AdminRig, asking
from tests.database.audited import ACME, Audited, audited
from tests.database.test_audit_retention import MONTHS, written
from tests.rig import Rig, ingress, settings_for


class Office(AdminRig):
    """Both tenants' audit, and the API that is asked about it."""

    town: Audited

    async def audit(self, *arguments: str) -> tuple[int, str]:
        return await self.konstruct("audit", *arguments)


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    nothing: Any = None
    async with audited(database_url, tmp_path / "home") as town:
        await town.happen(2)
        settings = settings_for(database_url, town.home, admin_token=ADMIN_TOKEN, master_keys=town.keys)
        rig = Rig(settings, town.database, nothing, nothing)
        async with ingress(rig) as rig.url, asking() as session:
            office = Office(rig, session)
            office.town = town
            yield office


async def test_verify_export_and_retain_say_what_they_did_and_found(k: Office, tmp_path: Path) -> None:
    assert await k.audit("verify", "acme") == (0, "The audit is as it was sealed: 9 rows.\n")
    assert await k.audit("verify", "--all") == (0, "The audit is as it was sealed: 18 rows.\n")
    code, said = await k.audit("verify", "nobody")
    assert code == 1
    assert "There is no tenant nobody" in said
    assert (await k.audit("verify"))[0] == 1
    code, key = await k.audit("keys")
    assert len(key.strip()) == 64
    file = tmp_path / "acme.jsonl"
    code, said = await k.audit("export", "acme", str(file), "--from", "2026-01-01")
    assert (code, said) == (
        0,
        f"{file}: {9 + 4} lines. Whoever verifies it needs your keys: konstruct audit keys\n",
    )
    assert len(file.read_text().splitlines()) == 9 + 4
    code, said = await k.audit("retain", "--months", "1")
    assert said.startswith("Nothing is older than ")
    five = k.town.seal_of(5)
    k.town.intrude(f"update audit_events set actor = 'x' where id = '{five}'")
    for asked in ("acme", "--all"):
        code, said = await k.audit("verify", asked)
        assert code == 1
        assert f"changed: row 5 ({five})" in said
        assert "1 findings" in said
    assert str(ACME) in said


async def test_old_months_go_and_what_stays_is_verified(k: Office) -> None:
    k.town.intrude(*MONTHS, written("2024-02-28", "first"), written("2024-03-01", "kept"))
    code, said = await k.audit("retain", "--months", "1")
    assert (code, "let the Auditor run, then try again" in said) == (1, True), said
    await k.town.auditor().seal_once()
    code, said = await k.audit("retain", "--months", "1")
    assert code == 0, said
    assert said.startswith("Gone: audit_months.events_2024_02, audit_months.events_2024_03, audit_months.seals_2024_")
    assert await k.audit("verify", "--all") == (0, "The audit is as it was sealed: 18 rows.\n")
    [event] = (await k.ask("/installation/audit?action=audit.dropped")).body["items"]
    assert event["actor"] == "installation"
    assert len(event["details"]["months"]) == 4


async def test_the_audit_of_a_tenant_that_was_erased_is_still_verified_and_exported(k: Office, tmp_path: Path) -> None:
    assert (await k.konstruct("tenant", "erase", "acme", "--yes"))[0] == 0
    await k.town.auditor().seal_once()
    code, said = await k.audit("verify", "acme")
    assert code == 0, said
    assert int(said.split(": ")[1].split()[0]) > 9
    assert (await k.audit("export", "acme", str(tmp_path / "acme.jsonl")))[0] == 0
    assert '"action":"tenant.deleted"' in (tmp_path / "acme.jsonl").read_text()


async def test_an_export_that_breaks_off_leaves_no_file(k: Office, tmp_path: Path) -> None:
    k.town.intrude(f"delete from audit_events where id = '{k.town.seal_of(5)}'")
    code, said = await k.audit("export", "acme", str(tmp_path / "acme.jsonl"))
    assert code == 1
    assert "`konstruct audit verify acme` says whether the audit is whole" in said
    assert not list(tmp_path.glob("acme*"))


async def test_what_is_found_beyond_the_first_hundreds_is_said_to_be_there(k: Office) -> None:
    k.town.intrude(
        "insert into audit_checkpoints (tenant_id, number, content, signature)"
        f" select '{ACME}', n, 'forged', '' from generate_series(1000, 1400) n"
    )
    code, said = await k.audit("verify", "--all")
    assert code == 1
    assert "more than 200 findings" in said, said[-300:]


async def test_only_the_installations_owner_verifies_it_whole(k: Office) -> None:
    token = await k.token("acme")
    asked = (("verification", "GET", None), ("keys", "GET", None), ("retention", "POST", {"months": 12}))
    answers = await asyncio.gather(
        *(k.ask(f"/installation/audit/{what}", method, body=body, token=token) for what, method, body in asked)
    )
    assert [answer.status for answer in answers] == [403, 403, 403]

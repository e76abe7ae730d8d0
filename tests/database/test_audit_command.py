"""`konstruct audit` as an operator runs it: a process with an exit status."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.crash import CHECKOUT
from tests.database.audited import ACME, Audited, audited


@pytest_asyncio.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Audited]:
    async with audited(database_url, tmp_path) as ready:
        await ready.happen(2)
        yield ready


def konstruct(town: Audited, *arguments: str) -> tuple[int, str]:
    environment = os.environ | {
        "KONSTRUCT_HOME": str(town.home),
        "KONSTRUCT_DATABASE_URL": town.url,
        "KONSTRUCT_MASTER_KEYS": ",".join(town.keys),
    }
    command = [sys.executable, "-m", "deployments.cli", "audit", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, env=environment, check=False)
    return ended.returncode, ended.stdout + ended.stderr


async def test_verify_export_and_retain_say_what_they_did_and_found(town: Audited, tmp_path: Path) -> None:
    assert konstruct(town, "verify", "acme") == (0, "The audit is as it was sealed: 9 rows.\n")
    assert konstruct(town, "verify", "--all") == (0, "The audit is as it was sealed: 18 rows.\n")
    code, said = konstruct(town, "verify", "nobody")
    assert code == 1
    assert "There is no tenant nobody" in said
    assert konstruct(town, "verify")[0] == 1
    code, key = konstruct(town, "keys")
    assert len(key.strip()) == 64
    code, said = konstruct(town, "export", "acme", str(tmp_path / "acme.jsonl"), "--from", "2026-01-01")
    assert code == 0, said
    assert len((tmp_path / "acme.jsonl").read_text().splitlines()) == 9 + 4
    code, said = konstruct(town, "retain", "--months", "1")
    assert said.startswith("Nothing is older than ")
    five = town.seal_of(5)
    town.intrude(f"update audit_events set actor = 'x' where id = '{five}'")
    for asked in ("acme", "--all"):
        code, said = konstruct(town, "verify", asked)
        assert code == 1
        assert f"changed: row 5 ({five})" in said
        assert "1 findings" in said
    assert str(ACME) in said

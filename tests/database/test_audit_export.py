"""A third party verifies an export with the recipe of docs/audit.md alone, in a process that has nothing of ours."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.fernet import Fernet

from konstruct.audit.chain import canonical
from konstruct.audit.signing import Signer
from konstruct.audit_export import ALWAYS, ExportImpossible, export
from tests.database.audited import ACME, GLOBEX, Audited, audited

DOCUMENT = Path(__file__).parents[2] / "docs" / "audit.md"
Lines = list[dict[str, Any]]


@pytest_asyncio.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Audited]:
    async with audited(database_url, tmp_path) as ready:
        await ready.happen()
        yield ready


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    [code] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 35
    path = tmp_path / "verify.py"
    path.write_text(code)
    return path


async def exported(town: Audited, earliest: datetime = ALWAYS[0], latest: datetime = ALWAYS[1]) -> Lines:
    found = export(town.database, Signer(town.keys), ACME, earliest, latest)
    return [json.loads(line) async for line in found]


async def verdict(recipe: Path, lines: Lines, *keys: str) -> str:
    file = recipe.with_name("export.jsonl")
    file.write_bytes(b"".join(canonical(line) + b"\n" for line in lines))
    command = [sys.executable, "-I", recipe, file, *keys]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        assert ended.stdout.startswith("GENUINE: ")
    return ended.stdout if ended.returncode == 0 else ended.stderr


def row(lines: Lines, number: int) -> Any:
    return [line["row"] for line in lines if line["kind"] == "row"][number - 1]


def changed(lines: Lines) -> None:
    row(lines, 5)["actor"] = "nobody"


def changed_detail(lines: Lines) -> None:
    row(lines, 5)["details"]["calls"] = 7


def removed(lines: Lines) -> None:
    lines[:] = [line for line in lines if line.get("row", {}).get("seq") != 5]


def removed_and_renumbered(lines: Lines) -> None:
    removed(lines)
    for place in range(5, 13):
        row(lines, place)["seq"] = place


def exchanged(lines: Lines) -> None:
    first, second = row(lines, 5), row(lines, 6)
    first["id"], second["id"] = second["id"], first["id"]


def cut_off(lines: Lines) -> None:
    points = [place for place, line in enumerate(lines) if line["kind"] == "checkpoint"]
    del lines[points[1] + 1 : -1]


def without_end(lines: Lines) -> None:
    lines.pop()


def begun_later(lines: Lines) -> None:
    points = [place for place, line in enumerate(lines) if line["kind"] == "checkpoint"]
    first = json.loads(lines[points[0]]["content"])
    second = json.loads(lines[points[1]]["content"])
    lines[0] |= {"seq": first["last"], "hash": first["hash"], "number": 1, "previous": second["previous"]}
    del lines[1 : points[0] + 1]


def signed_by_nobody(lines: Lines) -> None:
    point = next(line for line in lines if line["kind"] == "checkpoint")
    point["signature"] = "00" * 64


def of_another_tenant(lines: Lines) -> None:
    lines[0]["tenant"] = str(GLOBEX)


async def test_an_export_is_genuine_to_whoever_has_the_recipe_and_the_key(town: Audited, recipe: Path) -> None:
    lines = await exported(town)
    assert await verdict(recipe, lines, *Signer(town.keys).known) == (
        f"GENUINE: 13 rows of tenant {ACME}, 1970-01-01T00:00:00.000000Z to 9999-01-01T00:00:00.000000Z\n"
    )
    assert "a key that you did not name" in await verdict(
        recipe, lines, *Signer((Fernet.generate_key().decode(),)).known
    )


@pytest.mark.parametrize(
    "tamper",
    [
        changed, changed_detail, removed, removed_and_renumbered, exchanged, cut_off, without_end, begun_later,
        signed_by_nobody, of_another_tenant,
    ],
)  # fmt: skip
async def test_a_tampered_export_is_not(town: Audited, recipe: Path, tamper: Callable[[Lines], None]) -> None:
    lines = await exported(town)
    tamper(lines)
    assert "GENUINE: " not in (await verdict(recipe, lines, *Signer(town.keys).known)).replace("NOT GENUINE", "")


async def test_a_part_of_the_time_is_whole_checkpoints(town: Audited, recipe: Path) -> None:
    await asyncio.sleep(0.01)
    middle = datetime.now(UTC)
    nothing = await exported(town, middle)
    assert (await verdict(recipe, nothing, *Signer(town.keys).known)).startswith("GENUINE: 0 rows")
    await town.happen(1)
    lines = await exported(town, middle)
    assert [line["kind"] for line in lines] == ["header", *["row"] * 4, "checkpoint", "end"]
    assert (await verdict(recipe, lines, *Signer(town.keys).known)).startswith("GENUINE: 4 rows")
    earlier = await exported(town, middle - timedelta(hours=1), middle)
    assert (await verdict(recipe, earlier, *Signer(town.keys).known)).startswith("GENUINE: 13 rows")


async def test_what_is_not_as_it_was_sealed_is_not_exported(town: Audited) -> None:
    town.intrude(f"delete from audit_events where id = '{town.seal_of(5)}'")
    with pytest.raises(ExportImpossible):
        await exported(town)


async def test_any_text_is_hashed_alike_by_us_and_by_the_recipe(town: Audited, recipe: Path) -> None:
    odd = json.dumps({"ü\u2028\U0001f600": ['"', "\\", "\x01\x7f\u00e9\ud7ff", 2**53, -1, True, None], "a": {"b": []}})
    odd = odd.replace("'", "''")
    town.intrude(
        f"insert into audit_events (tenant_id, action, subject, details) values ('{ACME}', 'x', E'\\t\\u00df', '{odd}')"
    )
    assert await town.auditor().seal_once() == 1
    assert (await verdict(recipe, await exported(town), *Signer(town.keys).known)).startswith("GENUINE: 14 rows")

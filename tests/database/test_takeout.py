"""What is stored of a tenant or a person, as they may take it along."""

import json
import zipfile
from pathlib import Path
from typing import Any

from konstruct import takeout
from konstruct.media.store import open_store
from tests.database.forgotten import ACME, ALICE, SECRET, history
from tests.rig import rig


async def test_what_is_taken_along_is_complete_and_holds_no_secret(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        store = open_store(k.settings)
        file = await history(k, store)
        whole, hers = tmp_path / "acme.zip", tmp_path / "alice.zip"
        counts = await takeout.take_tenant(k.database, store, ACME, whole)
        await takeout.take_person(k.database, store, ALICE, hers)
        assert counts["messages"] == 4
        assert lines(whole, "tenants") == [line for line in lines(whole, "tenants") if line["name"] == "acme"]
        assert {"messages", "memories", "outbox", "usage", "channels"} <= set(counts)
        assert "secrets" not in lines(whole, "channels")[0]
        with zipfile.ZipFile(hers) as archive:
            everything = b"".join(archive.read(name) for name in archive.namelist())
            assert archive.read(f"files/{file}") == b"an X-ray of Alice"
        assert SECRET.encode() in everything
        assert b"bob" not in everything.lower()
        assert {line["role"] for line in lines(hers, "messages")} == {"contact", "employee"}


def lines(file: Path, table: str) -> list[dict[str, Any]]:
    with zipfile.ZipFile(file) as archive:
        return [json.loads(line) for line in archive.read(f"{table}.jsonl").decode().splitlines()]

"""What is stored about a tenant or a person, as a ZIP file: a table a file of JSON lines, and the kept files."""

import json
import zipfile
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from konstruct.database import erasure
from konstruct.database.erasure import Person
from konstruct.database.pool import Database
from konstruct.errors import MediaUnavailable
from konstruct.media.store import MediaStore

Rows = AsyncIterator[tuple[str, Sequence[Any]]]


async def take_tenant(database: Database, store: MediaStore, tenant: UUID, file: Path | BinaryIO) -> dict[str, int]:
    """Write everything of a tenant; answers how many rows of which table, and how many files."""

    async def rows() -> Rows:
        for table in await erasure.tables_of_tenants(database):
            yield table, await erasure.rows_of_tenant(database, tenant, table)

    return await _write(file, store, tenant, rows())


async def take_person(database: Database, store: MediaStore, person: Person, file: Path | BinaryIO) -> dict[str, int]:
    """Write everything about a person."""

    async def rows() -> Rows:
        for table, found in (await erasure.rows_of_person(database, person)).items():
            yield table, found

    return await _write(file, store, person.tenant, rows())


def manifest(file: Path) -> Any:
    """What was said of the file when it was made: `rows` by table, kept `files` counted there, too."""
    with zipfile.ZipFile(file) as archive:
        return json.loads(archive.read("manifest.json"))


async def _write(file: Path | BinaryIO, store: MediaStore, tenant: UUID, rows: Rows) -> dict[str, int]:
    counts: dict[str, int] = {}
    digests: set[str] = set()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        async for table, found in rows:
            counts[table] = len(found)
            digests.update(_digests(found))
            lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in found)
            archive.writestr(f"{table}.jsonl", lines)
        missing = [digest for digest in sorted(digests) if not await _add(archive, store, tenant, digest)]
        counts["files"] = len(digests) - len(missing)
        said = {
            "made_at": datetime.now(UTC).isoformat(),
            "tenant": str(tenant),
            "rows": counts,
            "missing_files": missing,
        }
        archive.writestr("manifest.json", json.dumps(said, indent=1))
    return counts


async def _add(archive: zipfile.ZipFile, store: MediaStore, tenant: UUID, digest: str) -> bool:
    try:
        archive.writestr(f"files/{digest}", await store.get(tenant, digest))
    except MediaUnavailable:
        return False
    return True


def _digests(rows: Iterable[Any]) -> Iterable[str]:
    """Kept files that rows of messages or of the inbox name."""
    for row in rows:
        yield from row.get("files") or ()
        body = row.get("body")
        yield from (body.get("files") or ()) if isinstance(body, dict) else ()

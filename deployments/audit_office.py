"""What `konstruct audit` does with the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from actors.retention import state_drop
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.signing import Signer
from konstruct.audit_export import ALWAYS, export
from konstruct.database import audit, audit_months
from konstruct.database.installation import tenant_names
from konstruct.database.pool import Database
from konstruct.errors import KonstructError, UnknownTenant
from konstruct.evidence import Evidence
from konstruct.identity import tenant_id
from konstruct.settings import Settings


async def verify_tenant(settings: Settings, name: str) -> tuple[int, list[str]]:
    """How many rows are sealed, and what is wrong. Raises UnknownTenant where there is neither tenant nor audit."""
    async with _opened(settings) as database:
        evidence, tenant = _evidence(settings, database), tenant_id(name)
        if name not in await tenant_names(database) and tenant not in await audit.tenants(database):
            raise UnknownTenant(f"There is no tenant {name}, and no audit of one; `konstruct status` names them.")
        _, count = await audit.ends(database, tenant)
        found = [str(finding) async for finding in evidence.of_tenant(tenant)]
        return count, found + [str(finding) for finding in await evidence.tail()]


async def verify_all(settings: Settings) -> tuple[int, list[str]]:
    """The same for every tenant, and the chain of all checkpoints."""
    async with _opened(settings) as database:
        evidence = _evidence(settings, database)
        count, found = 0, [str(finding) async for finding in evidence.of_installation()]
        for tenant in await audit.tenants(database):
            count += (await audit.ends(database, tenant))[1]
            found += [f"tenant {tenant}: {finding}" async for finding in evidence.of_tenant(tenant)]
        return count, found


async def export_tenant(
    settings: Settings, name: str, file: Path, asked: tuple[datetime | None, datetime | None]
) -> int:
    """How many lines it has; the file is there whole or not at all."""
    async with _opened(settings) as database:
        earliest, latest = (moment or always for moment, always in zip(asked, ALWAYS, strict=True))
        unfinished = file.with_name(f"{file.name}.unfinished")
        lines = export(database, Signer(settings.master_keys), tenant_id(name), _utc(earliest), _utc(latest))
        try:
            count = await _write(unfinished, lines)
            unfinished.replace(file)
        except OSError as error:
            raise KonstructError(f"{file} cannot be written: {error.strerror}.") from error
        finally:
            unfinished.unlink(missing_ok=True)
        return count


async def retain_months(settings: Settings, months: int) -> tuple[datetime, list[str]]:
    """From when on everything stays, and which partitions went."""
    before = audit_months.months_before(datetime.now(UTC), months)
    url = settings.database_url or ""
    async with _opened(settings) as database:
        if await asyncio.to_thread(audit_months.old_months, url, before):
            await state_drop(database, Signer(settings.master_keys), AnchorFile(settings.home), before)
        return before, await asyncio.to_thread(audit_months.drop_months, url, before)


async def _write(file: Path, lines: AsyncIterator[bytes]) -> int:
    count = 0
    with file.open("wb") as out:
        async for line in lines:
            out.write(line)
            count += 1
    return count


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _evidence(settings: Settings, database: Database) -> Evidence:
    return Evidence(database, Signer(settings.master_keys), AnchorFile(settings.home))


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings.database_url or "", 2)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()

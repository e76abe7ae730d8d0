"""Tenant files of an installation, applied from its operator's command line."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from konstruct.database.pool import Database
from konstruct.database.tenants import apply_tenant
from konstruct.errors import SettingsInvalid, TenantFileInvalid
from konstruct.settings import Settings
from konstruct.tenant_file import parse
from konstruct.vault import Vault


async def apply_file(path: Path, environment: Mapping[str, str]) -> tuple[str, bool]:
    """Apply a tenant file; answers the tenant's name and whether anything changed."""
    try:
        text = path.read_text()  # noqa: ASYNC240 - one small file, and nothing else runs
    except (OSError, UnicodeDecodeError) as error:
        raise TenantFileInvalid(f"The tenant file {path} cannot be read: {error}.") from error
    tenant_file = parse(text, environment)
    settings = Settings.from_environment(environment)
    async with open_database(settings) as database:
        changed = await apply_tenant(database, tenant_file, Vault(settings.master_keys))
    return tenant_file.tenant, changed


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The installation's database for the length of a command."""
    if settings.database_url is None:
        raise SettingsInvalid("No database is known yet; run `konstruct up`, or set KONSTRUCT_DATABASE_URL.")
    database = Database(settings.database_url, 1)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()

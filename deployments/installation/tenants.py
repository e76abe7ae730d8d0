"""Tenant files of an installation, applied from its operator's command line; and its database for other commands."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from deployments.installation.api import ApiClient
from deployments.installation.layout import Layout
from deployments.installation.running import absence
from konstruct.database.pool import Database
from konstruct.errors import SettingsInvalid, TenantFileInvalid
from konstruct.settings import Settings
from konstruct.tenant_file import TenantFile, parse


def read_file(path: Path, environment: Mapping[str, str]) -> TenantFile:
    """Read and parse a tenant file; raises TenantFileInvalid that names it."""
    try:
        return parse(path.read_text(encoding="utf-8"), environment)
    except OSError as error:
        raise TenantFileInvalid(f"The tenant file {path} cannot be read: {error}.") from error
    except UnicodeDecodeError as error:
        raise TenantFileInvalid(f"The tenant file {path} is not UTF-8: {error}; save it as UTF-8.") from error
    except TenantFileInvalid as invalid:
        raise TenantFileInvalid(f"{path}: {invalid}") from None


async def apply_file(path: Path, environment: Mapping[str, str]) -> tuple[str, bool]:
    """Apply a tenant file over the API; answers the tenant's name and whether anything changed."""
    return await put(read_file(path, environment), environment)


async def put(wanted: TenantFile, environment: Mapping[str, str]) -> tuple[str, bool]:
    """Apply what was read of a file, see apply_file."""
    body = wanted.model_dump(mode="json", exclude_unset=True)
    answer = await ApiClient(environment).ask("PUT", f"/tenants/{wanted.tenant}", body)
    return wanted.tenant, bool(answer["changed"])


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The installation's database for the length of a command."""
    if settings.database_url is None:
        raise SettingsInvalid(absence(Layout(settings.home), "KONSTRUCT_DATABASE_URL"))
    database = Database(settings.database_url, 1)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()

"""Tenant files of an installation, applied from its operator's command line; and its database for other commands."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from deployments.installation.api import ApiClient
from konstruct.database.pool import Database
from konstruct.errors import SettingsInvalid, TenantFileInvalid
from konstruct.settings import Settings
from konstruct.tenant_file import parse


async def apply_file(path: Path, environment: Mapping[str, str], *, patience: float = 0) -> tuple[str, bool]:
    """Apply a tenant file over the API; answers the tenant's name and whether anything changed.

    `patience`: seconds to wait for an installation that starts.
    """
    try:
        text = path.read_text(encoding="utf-8")  # noqa: ASYNC240 - one small file, and nothing else runs
    except OSError as error:
        raise TenantFileInvalid(f"The tenant file {path} cannot be read: {error}.") from error
    except UnicodeDecodeError as error:
        raise TenantFileInvalid(f"The tenant file {path} is not UTF-8: {error}; save it as UTF-8.") from error
    try:
        wanted = parse(text, environment)
    except TenantFileInvalid as invalid:
        raise TenantFileInvalid(f"{path}: {invalid}") from None
    body = wanted.model_dump(mode="json", exclude_unset=True)
    answer = await ApiClient(environment).ask("PUT", f"/tenants/{wanted.tenant}", body, patience=patience)
    return wanted.tenant, bool(answer["changed"])


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

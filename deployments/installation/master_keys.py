"""Whether the master keys that an installation is to run with open what is stored."""

from collections.abc import Mapping

from deployments.installation.tenants import open_database
from konstruct import key_rotation
from konstruct.errors import SecretUnreadable
from konstruct.settings import Settings
from konstruct.vault import Vault


async def locked(environment: Mapping[str, str]) -> tuple[int, str]:
    """How many secrets there are, and what is to be said if some do not open."""
    settings = Settings.from_environment(environment)
    async with open_database(settings) as database:
        kept = await key_rotation.examine(database, Vault(settings.master_keys))
    try:
        key_rotation.check_readable(kept)
    except SecretUnreadable as error:
        return len(kept), str(error)
    return len(kept), ""

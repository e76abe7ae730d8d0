"""What operators do with master keys: survey and rotate, with the keys that the installation really runs with."""

from collections.abc import Mapping

from deployments.installation import running
from deployments.installation.tenants import open_database
from konstruct import key_rotation
from konstruct.errors import SecretUnreadable, SettingsInvalid
from konstruct.key_rotation import Kept, Rotated
from konstruct.settings import Settings
from konstruct.vault import Vault, fingerprint


async def survey(environment: Mapping[str, str]) -> tuple[tuple[str, ...], list[Kept]]:
    """The master keys, newest first, and every secret."""
    settings = Settings.from_environment(environment)
    vault = Vault(settings.master_keys)
    async with open_database(settings) as database:
        return settings.master_keys, await key_rotation.examine(database, vault)


async def locked(environment: Mapping[str, str]) -> tuple[int, str]:
    """How many secrets there are, and what is to be said if some do not open."""
    _, kept = await survey(environment)
    try:
        key_rotation.check_readable(kept)
    except SecretUnreadable as error:
        return len(kept), str(error)
    return len(kept), ""


async def rotate(environment: Mapping[str, str]) -> Rotated:
    """Every secret under the newest key. Raises SettingsInvalid if what runs could not read it then."""
    settings = Settings.from_environment(environment)
    vault = Vault(settings.master_keys)
    _check_known(settings.master_keys[0], environment)
    async with open_database(settings) as database:
        return await key_rotation.rotate(database, vault)


def _check_known(newest: str, environment: Mapping[str, str]) -> None:
    deployed = running.recall(running.layout_of(environment))
    if deployed is not None and newest not in Settings.from_environment(deployed.environment).master_keys:
        raise SettingsInvalid(
            f"What runs does not know the first key in KONSTRUCT_MASTER_KEYS ({fingerprint(newest)}) yet, and could "
            "not read what it encrypts; run `konstruct up` with these keys first, then rotate."
        )

"""Secrets at rest move to the newest master key while everything runs; and what is kept under which key."""

import json
from dataclasses import dataclass, field

from konstruct.database.ciphertexts import ANSWER, MODEL, Ciphertext, ciphertexts, replace_ciphertext
from konstruct.database.installation import tenant_names
from konstruct.database.pool import Database
from konstruct.errors import KonstructError
from konstruct.identity import tenant_id
from konstruct.vault import Vault, ending, unreadable

MOST_ROUNDS = 20


class KeyStillNeeded(KonstructError):
    """Secrets are still being written with an older master key."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A secret as a listing shows it. `key`: which master key opens it (0 is the newest), None that none does."""

    tenant: str
    what: str
    key: int | None
    endings: dict[str, str]
    found: Ciphertext = field(repr=False)

    @property
    def locked(self) -> bool:
        """Whether somebody needs it and no key opens it. An answer is kept for a day only, and can be done without."""
        return self.key is None and self.found.kind != ANSWER


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many secrets there are, and how many of them were encrypted anew."""

    total: int
    renewed: int


async def examine(database: Database, vault: Vault) -> list[Kept]:
    """Every secret of every tenant; changes nothing."""
    return [
        _kept(name, found, vault)
        for name in await tenant_names(database)
        for found in await ciphertexts(database, tenant_id(name))
    ]


async def rotate(database: Database, vault: Vault, *, request: str = "") -> Rotated:
    """Put every secret under the newest master key, one small transaction each; may be repeated, or killed, any time.

    `request`: the id of the request that asked for it. Raises SecretUnreadable, before anything is changed, if there is
    one that no key opens.
    """
    renewed = 0
    for _ in range(MOST_ROUNDS):
        kept = await examine(database, vault)
        check_readable(kept)
        old = [one.found for one in kept if one.key]
        if not old:
            return Rotated(len(kept), renewed)
        for found in old:
            # Whatever was written meanwhile is looked at in the next round.
            renewed += await replace_ciphertext(database, found, vault.rotate(found.tenant, found.ciphertext), request)
    raise KeyStillNeeded(
        "Secrets are still being written with an older master key: some process runs with an earlier "
        "KONSTRUCT_MASTER_KEYS. Run `konstruct up` with the new key first in it, then rotate again."
    )


def check_readable(kept: list[Kept]) -> None:
    """Raises SecretUnreadable that names every secret no master key opens."""
    locked = [one for one in kept if one.locked]
    if locked:
        others = f" (and {len(locked) - 1} more, see `konstruct keys list`)" if len(locked) > 1 else ""
        raise unreadable(f"{locked[0].what}{others}", locked[0].tenant)


def _kept(tenant: str, found: Ciphertext, vault: Vault) -> Kept:
    key = vault.opener(found.tenant, found.ciphertext)
    secrets: dict[str, str] = {}
    if key is not None and found.kind != ANSWER:
        opened = vault.decrypt(found.tenant, found.ciphertext)
        secrets = {"api_key": opened} if found.kind == MODEL else json.loads(opened)
    endings = {name: ending(str(secret)) for name, secret in sorted(secrets.items()) if secret}
    return Kept(tenant, found.what, key, endings, found)

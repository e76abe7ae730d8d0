"""Whose event is it? Channel look-up for webhooks, kept for a few seconds and through short database outages."""

import random
import time
from dataclasses import dataclass
from functools import partial

from konstruct.database.lookups import find_channels, has_verify_token
from konstruct.database.pool import Database
from konstruct.database.tenants import ChannelRow
from konstruct.errors import DatabaseUnavailable
from konstruct.jointly import Jointly
from konstruct.tenant_file import OTHER
from konstruct.vault import Vault

KEPT_SECONDS = 5.0
KEPT_ENTRIES = 10_000
# kind -> the secret that signs what arrives
SIGNED_WITH = {"slack": "signing_secret", "whatsapp": "app_secret", "web": "signing_secret"}


def signing(row: ChannelRow) -> list[str]:
    """What of a channel's secrets may have signed what arrives for it: two while they change."""
    name = SIGNED_WITH[row.kind]
    return [row.secrets[one] for one in (name, OTHER + name) if one in row.secrets]


@dataclass(frozen=True, slots=True)
class Candidates:
    """`own` is the channel of this very app and team; `secrets` may have signed the request."""

    own: ChannelRow | None
    secrets: tuple[str, ...]


class Directory:
    """Channels by kind, app and team. A change by an operator is seen within KEPT_SECONDS."""

    def __init__(self, database: Database, vault: Vault) -> None:
        """Nothing is read before it is needed."""
        self._database = database
        self._vault = vault
        self._kept: dict[tuple[str, str, str], tuple[float, Candidates]] = {}
        self._reads: Jointly[tuple[str, str, str], Candidates] = Jointly()

    async def find(self, kind: str, app: str, team: str, *, anew: bool = False) -> Candidates:
        """Candidates for an event; raises DatabaseUnavailable only for what was never seen before.

        `anew`: what was read a moment ago does not do.
        """
        key = (kind, app, team)
        kept = self._kept.get(key)
        if kept is not None and not anew and time.monotonic() - kept[0] < KEPT_SECONDS:
            return kept[1]
        read = partial(self._read, kind, app, team)
        try:
            found = await (self._reads.ask(key, read) if not anew else read())
        except DatabaseUnavailable:
            if kept is None:
                raise
            return kept[1]
        if len(self._kept) >= KEPT_ENTRIES:
            self._kept.clear()
        self._kept[key] = (time.monotonic(), found)
        return found

    async def knows_verify_token(self, kind: str, token: str) -> bool:
        """Whether a channel of this kind was set up with this token; never kept, it is asked for once a set-up."""
        return bool(await has_verify_token(self._database, kind, token))

    async def _read(self, kind: str, app: str, team: str) -> Candidates:
        rows = await find_channels(self._database, kind, app, team, self._vault)
        own = next((row for row in rows if (row.app, row.team) == (app, team)), None)
        secrets = list({secret for row in rows for secret in signing(row)})
        # Where there is no time to try all of them, others come first when the request comes again.
        random.shuffle(secrets)
        return Candidates(own, tuple(secrets))

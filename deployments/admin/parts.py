"""What the API works with."""

from dataclasses import dataclass

from konstruct.database.pool import Database
from konstruct.settings import Settings
from konstruct.vault import Vault


@dataclass(frozen=True, slots=True)
class Parts:
    """Shared by all requests."""

    settings: Settings
    database: Database
    vault: Vault

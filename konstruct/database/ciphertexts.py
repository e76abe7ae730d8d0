"""Everything that the vault encrypted, wherever it stands: found, and put back under another master key."""

from dataclasses import dataclass, field
from uuid import UUID

from konstruct.database.pool import Database

MODEL = "model"


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """One secret at rest. `kind`: MODEL, or the channel's; `place`: the model's name, or the channel's team."""

    tenant: UUID
    kind: str
    app: str
    place: str
    ciphertext: bytes = field(repr=False)

    @property
    def what(self) -> str:
        """What it is, at the beginning of a sentence."""
        return f"The key of model {self.place}" if self.kind == MODEL else f"The secrets of {self.kind} {self.place}"


async def ciphertexts(database: Database, tenant: UUID) -> list[Ciphertext]:
    """Every secret of a tenant."""
    async with database.tenant(tenant) as connection:
        return [Ciphertext(tenant, **dict(row)) for row in await connection.run("ciphertexts")]


async def replace_ciphertext(database: Database, before: Ciphertext, after: bytes) -> bool:
    """Put another in its place, in a transaction of its own; False if somebody wrote a new one meanwhile."""
    async with database.tenant(before.tenant, actor="installation", request="keys rotate") as connection:
        if before.kind == MODEL:
            replaced = await connection.run("rotate_model", name=before.place, api_key=after, before=before.ciphertext)
        else:
            replaced = await connection.run(
                "rotate_channel",
                kind=before.kind,
                app=before.app,
                team=before.place,
                secrets=after,
                before=before.ciphertext,
            )
    return bool(replaced)

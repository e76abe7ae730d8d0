"""Everything that the vault encrypted, wherever it stands: found, and put back under another master key."""

from dataclasses import dataclass, field
from uuid import UUID

from konstruct.database.pool import Database

MODEL = "model"
ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """One secret at rest. `kind`: MODEL, ANSWER, or the channel's; `place`: the model's name, or the channel's team."""

    tenant: UUID
    kind: str
    app: str
    place: str
    ciphertext: bytes = field(repr=False)

    @property
    def what(self) -> str:
        """What it is, at the beginning of a sentence."""
        named = {MODEL: f"The key of model {self.place}", ANSWER: f"The kept answer to request {self.place}"}
        return named.get(self.kind, f"The secrets of {self.kind} {self.place}")


async def ciphertexts(database: Database, tenant: UUID) -> list[Ciphertext]:
    """Every secret of a tenant."""
    async with database.tenant(tenant) as connection:
        return [Ciphertext(tenant, **dict(row)) for row in await connection.run("ciphertexts")]


async def replace_ciphertext(database: Database, before: Ciphertext, after: bytes, request: str = "") -> bool:
    """Put another in its place, in a transaction of its own; False if somebody wrote a new one meanwhile."""
    async with database.tenant(before.tenant, actor="installation", request=request) as connection:
        if before.kind == MODEL:
            replaced = await connection.run("rotate_model", name=before.place, api_key=after, before=before.ciphertext)
        elif before.kind == ANSWER:
            replaced = await connection.run(
                "rotate_answer", actor=before.app, key=before.place, answer=after, before=before.ciphertext
            )
        else:
            where = {"kind": before.kind, "app": before.app, "team": before.place}
            replaced = await connection.run("rotate_channel", **where, secrets=after, before=before.ciphertext)
    return bool(replaced)

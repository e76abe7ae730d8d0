"""Long-term memory: what was said in earlier turns, found again by meaning. Scoped to tenant and contact."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson

from konstruct.database.pool import Database
from konstruct.messages import Spoken

RECALL_LIMIT = 4
RETRY_AFTER = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class MemoryKey:
    """Identity of one memory."""

    tenant: UUID
    turn: UUID
    contact: UUID


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose memories may be recalled, and which of them the window holds already."""

    tenant: UUID
    conversation: UUID
    contacts: Collection[UUID]
    private: bool
    window: Sequence[Spoken]

    @property
    def arguments(self) -> dict[str, Any]:
        """Parameters that both recall queries share."""
        return {
            "tenant": self.tenant,
            "contacts": list(self.contacts),
            "private": self.private,
            "conversation": self.conversation,
            "window_start": self.window[0].turn if self.window else 0,
        }


async def has_any(database: Database, scope: Scope) -> bool:
    """Whether there is anything to recall that the window does not hold."""
    return bool(await database.run("has_memories", **scope.arguments))


async def recall(database: Database, scope: Scope, query: Sequence[float]) -> list[str]:
    """The nearest memories to an embedding, nearest first."""
    rows = await database.run("recall", query=vector_text(query), limit=RECALL_LIMIT, **scope.arguments)
    return [row["text"] for row in rows]


async def waiting(database: Database, host: int) -> list[tuple[MemoryKey, str]]:
    """Memory jobs that a crash left behind, with their texts."""
    rows = await database.run("waiting_memories", host=host, older_than=RETRY_AFTER)
    found = []
    for row in rows:
        async with database.tenant(row["tenant_id"]) as connection:
            text = await connection.run("memory_text", turn=row["turn_id"], contact=row["contact_id"])
        found.append((MemoryKey(row["tenant_id"], row["turn_id"], row["contact_id"]), text))
    return found


async def store(database: Database, keys: Sequence[MemoryKey], embeddings: Sequence[Sequence[float]]) -> None:
    """Finish memory jobs: embeddings of 384 numbers each, in the order of `keys`."""
    await database.run(
        "store_embeddings",
        tenants=[key.tenant for key in keys],
        turns=[key.turn for key in keys],
        contacts=[key.contact for key in keys],
        embeddings=[vector_text(embedding) for embedding in embeddings],
    )


def vector_text(embedding: Sequence[float]) -> str:
    """Pgvector's text form."""
    return orjson.dumps(list(embedding)).decode()

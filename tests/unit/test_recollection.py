"""Whether there is anything to recall is asked once in a while, and for everybody who speaks."""

from typing import Any, cast
from uuid import UUID

from actors.recollection import Recollection
from konstruct.database.memories import Scope
from konstruct.database.pool import Database

ACME, HERE, ALICE, BOB = (UUID(int=n) for n in range(1, 5))


class OfAlice:
    """A database that has memories of Alice only."""

    def __init__(self) -> None:
        self.asked = 0

    async def run(self, query: str, /, **arguments: Any) -> Any:
        if query == "has_memories":
            self.asked += 1
            return ALICE in arguments["contacts"]
        return [{"text": "Alice likes tents."}]


async def embed(_tenant: UUID, _text: str) -> list[float]:
    return [0.0] * 384


async def test_who_joins_a_young_conversation_is_remembered_at_once() -> None:
    database, recollection = OfAlice(), Recollection()

    async def recalled(*contacts: UUID) -> list[str]:
        scope = Scope(ACME, HERE, contacts, private=False, window=())
        return await recollection.recall(cast("Database", database), embed, scope, "What do I like?")

    assert [await recalled(BOB), await recalled(BOB)] == [[], []]
    assert database.asked == 1
    assert await recalled(ALICE) == ["Alice likes tents."]
    assert database.asked == 2

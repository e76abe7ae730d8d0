"""What a conversation remembers from before its window, without asking when there is nothing to ask for."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import UUID

import structlog

from konstruct.database import memories
from konstruct.database.pool import Database
from konstruct.errors import EmbedderUnavailable

CHECK_EVERY_SECONDS = 30.0
# Of its beginning and of its end: what is asked is mostly in either, and the embedder's time grows with the length.
QUERY_CHARS = 150

Embed = Callable[[UUID, str], Awaitable[Sequence[float]]]

log = structlog.get_logger()


class Embedding(Protocol):
    """Embeds: at once for a question, later for what was said."""

    async def embed(self, tenant: UUID, text: str) -> Sequence[float]:
        """The embedding of one text of this tenant, 384 numbers; raises EmbedderUnavailable."""
        ...

    def embed_later(self, key: memories.MemoryKey, text: str) -> None:
        """Give a committed memory its embedding when there is time."""
        ...


class Recollection:
    """Recalls memories for one conversation; most turns of a young contact need no query at all."""

    __slots__ = ("_checked_at", "_checked_for", "_known")

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known = False
        self._checked_at: float | None = None
        self._checked_for: frozenset[UUID] = frozenset()

    async def recall(self, database: Database, embed: Embed, scope: memories.Scope, text: str) -> list[str]:
        """Memories near to `text`, nearest first; empty when the embedder does not answer: a reply is not held up."""
        if not await self._worthwhile(database, scope):
            return []
        try:
            query = await embed(scope.tenant, shortened(text))
        except EmbedderUnavailable as error:
            log.warning("recall skipped", reason=str(error))
            return []
        return await memories.recall(database, scope, query)

    async def _worthwhile(self, database: Database, scope: memories.Scope) -> bool:
        if scope.window and scope.window[0].turn > 1:
            return True
        # Another who speaks here may be known from elsewhere.
        now, contacts = time.monotonic(), frozenset(scope.contacts)
        old = self._checked_at is None or now - self._checked_at > CHECK_EVERY_SECONDS
        if not self._known and (old or not contacts <= self._checked_for):
            self._known = await memories.has_any(database, scope)
            self._checked_at, self._checked_for = now, contacts
        return self._known


def shortened(text: str) -> str:
    """A message as the question that memories may answer."""
    return text if len(text) <= 2 * QUERY_CHARS else f"{text[:QUERY_CHARS]} {text[-QUERY_CHARS:]}"

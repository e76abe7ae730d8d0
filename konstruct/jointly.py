"""Who asks for the same thing at the same time shares one answer."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class Jointly(Generic[Key, Answer]):
    """Spares a database the crowd that comes when something that was kept has grown old."""

    def __init__(self) -> None:
        """Nobody asks yet."""
        self._running: dict[Key, asyncio.Task[Answer]] = {}

    async def ask(self, key: Key, find: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """The answer of `find`, or of the one that runs for this key already; its error reaches all of them."""
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.create_task(find())
            running.add_done_callback(lambda _: self._running.pop(key))
        # A caller that goes away must not take the answer from the others.
        return await asyncio.shield(running)

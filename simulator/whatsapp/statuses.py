"""What Meta tells about a message on its way: sent, delivered, read, or failed."""

import asyncio
import random
from typing import Any

from simulator.whatsapp.chats import Message
from simulator.whatsapp.notifier import value_of
from simulator.whatsapp.number import Number
from simulator.whatsapp.refusal import Refused
from simulator.whatsapp.world import World

PRICED = ("sent", "delivered", "read")


class Statuses:
    """Follows each message in the background."""

    def __init__(self, world: World, seed: int) -> None:
        """`seed` makes shuffled statuses repeatable."""
        self._world = world
        self._random = random.Random(seed)  # noqa: S311 - repeatable chance, not a secret
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, number: Number, message: Message, failure: Refused | None) -> None:
        """Tell the statuses of the message, after the answer to its call."""
        task = asyncio.create_task(self._tell_all(number, message, failure))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait until all statuses so far are told."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Tell no more."""
        for task in list(self._tasks):
            task.cancel()
        await self.settle()

    async def tell(self, number: Number, message: Message, word: str, failure: Refused | None = None) -> None:
        """Tell one status."""
        status: dict[str, Any] = {
            "id": message.id,
            "status": word,
            "timestamp": str(int(self._world.clock.now())),
            **message.person.recipient(),
        }
        if message.opaque is not None:
            status["biz_opaque_callback_data"] = message.opaque
        if word in PRICED:
            category = "utility" if message.kind == "template" else "service"
            status["pricing"] = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": category}
        if failure is not None:
            status["errors"] = [failure.in_status()]
        value = value_of(number, contacts=[message.person.contact()], statuses=[status])
        await self._world.notifier.tell(number, "messages", value, message.person.key, message.id)

    async def _tell_all(self, number: Number, message: Message, failure: Refused | None) -> None:
        options = self._world.options
        words = ["failed"] if failure is not None else list(options.statuses)
        if options.duplicate_statuses:
            words = [word for word in words for _ in range(2)]
        if options.shuffle_statuses:
            self._random.shuffle(words)
        for word in words:
            await asyncio.sleep(options.status_seconds)
            await self.tell(number, message, word, failure)

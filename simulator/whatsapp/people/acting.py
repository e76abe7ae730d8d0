"""What all acts of people need."""

from typing import Any

from simulator.delivery import Said
from simulator.whatsapp.chats import Message, new_id
from simulator.whatsapp.notifier import value_of
from simulator.whatsapp.number import Number
from simulator.whatsapp.person import Person
from simulator.whatsapp.world import World

ANNA = "4915112345678"


class Acting:
    """Somebody acts in this world."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def _send(  # noqa: PLR0917 - what a message consists of
        self,
        sender: str,
        number: str | None,
        kind: str,
        content: Any,
        text: str,
        context: dict[str, Any] | None = None,
        **more: Any,
    ) -> Said:
        """Make a message visible and tell it."""
        business, person = self._world.number(number), self._world.persons.find(sender)
        now, quoted = self._world.clock.now(), (context or {}).get("id")
        said = dict(content) if isinstance(content, dict) else {}
        files = [{"type": kind, **said}] if "sha256" in said else []
        message = Message(
            new_id(), kind, person, by_business=False, text=text, at=now, content=said, quoted=quoted, files=files
        )
        self._world.chats.add(business, message)
        told = {kind: content, **({"context": context} if context else {}), **more}
        return await self._tell(business, person, message.id, kind, told)

    async def _tell(self, number: Number, person: Person, id_: str, kind: str, told: dict[str, Any]) -> Said:
        message = {"id": id_, "timestamp": self._now(), "type": kind, **person.sender(), **told}
        value = value_of(number, contacts=[person.contact()], messages=[message])
        return await self._world.notifier.tell(number, "messages", value, person.key, id_)

    def _now(self) -> str:
        return str(int(self._world.clock.now()))

    def _quote(self, number: str | None, message_id: str | None) -> dict[str, Any] | None:
        if message_id is None:
            return None
        business = self._world.number(number)
        quoted = self._world.chats.find(business, message_id)
        author = business.display_phone_number if quoted is None or quoted.by_business else quoted.person.phone
        return {"from": author, "id": message_id}

    def _found(self, number: str | None, message_id: str) -> tuple[Number, Message]:
        business = self._world.number(number)
        message = self._world.chats.find(business, message_id)
        if message is None:
            raise LookupError(f"There is no message {message_id}.")
        return business, message

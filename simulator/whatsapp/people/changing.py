"""New phone numbers, new user ids, first contact, calls."""

from typing import Any

from simulator.delivery import Said
from simulator.whatsapp.chats import new_id
from simulator.whatsapp.notifier import value_of
from simulator.whatsapp.people.acting import ANNA, Acting
from simulator.whatsapp.person import Person


class Changing(Acting):
    """Becomes somebody else, as far as a business can tell."""

    def meet(
        self,
        name: str,
        *,
        phone: str = "",
        user_id: str = "",
        parent_user_id: str = "",
        username: str = "",
        phone_shown: str = "yes",
        reachable: bool = True,
    ) -> Person:
        """Let somebody be there. `phone_shown`: whether businesses see the number: "yes", "absent" or "empty"."""
        if phone_shown not in ("yes", "absent", "empty"):
            raise ValueError("phone_shown is yes, absent or empty")
        person = Person(name, phone, user_id, parent_user_id, username, reachable=reachable)
        person.phone_shown = phone_shown  # type: ignore[assignment]
        return self._world.persons.add(person)

    async def change_number(
        self, phone: str, *, user_id: str = "", sender: str = ANNA, number: str | None = None
    ) -> Said:
        """Get a new phone number, and with it a new user id."""
        person = self._world.persons.find(sender)
        before, was = person.phone, person.user_id
        user_id = user_id or f"{was.partition('.')[0]}.{int(phone) * 7919}"
        system: dict[str, Any] = {
            "type": "user_changed_number",
            "body": f"{person.name} changed from {before} to {phone}",
            "wa_id": phone,
            "user_id": user_id,
            "previous_user_id": was,
        }
        told = {**person.sender(), "system": system}
        person.phone, person.user_id = phone, user_id
        return await self._system(number, told)

    async def change_user_id(
        self, user_id: str, *, sender: str = ANNA, number: str | None = None, as_field: bool = False
    ) -> Said:
        """Get a new user id; `as_field`: told by the field user_id_update instead of a system message."""
        person = self._world.persons.find(sender)
        before, person.user_id = person.user_id, user_id
        if as_field:
            shown = {"wa_id": person.phone} if person.phone_shown == "yes" and person.phone else {}
            ids = {"previous": before, "current": user_id}
            update = {**shown, "detail": "User id changed", "user_id": ids, "timestamp": self._now()}
            business = self._world.number(number)
            return await self._world.notifier.tell(
                business, "user_id_update", value_of(business, user_id_update=[update])
            )
        system = {
            "type": "user_changed_user_id",
            "body": f"User changed from {before} to {user_id}",
            "user_id": user_id,
            "previous_user_id": before,
        }
        return await self._system(number, {"system": system})

    async def open_chat(self, *, sender: str = ANNA, number: str | None = None) -> Said:
        """Open the chat for the first time, without a word."""
        business, person = self._world.number(number), self._world.persons.find(sender)
        return await self._tell(business, person, new_id(), "request_welcome", {})

    async def call(self, *, sender: str = ANNA, number: str | None = None) -> Said:
        """Ring the business, which opens the window as a message does."""
        business, person, id_ = self._world.number(number), self._world.persons.find(sender), new_id()
        self._world.chats.open_window(business, person)
        call = {"id": id_, "to": business.display_phone_number, "event": "connect", "timestamp": self._now()}
        call |= {"direction": "USER_INITIATED", **person.sender()}
        value = value_of(business, contacts=[person.contact()], calls=[call])
        return await self._world.notifier.tell(business, "calls", value, person.key, id_)

    async def _system(self, number: str | None, told: dict[str, Any]) -> Said:
        """Tell it; a system message has no contacts."""
        business, id_ = self._world.number(number), new_id()
        message = {"id": id_, "timestamp": self._now(), "type": "system", **told}
        return await self._world.notifier.tell(business, "messages", value_of(business, messages=[message]), "", id_)

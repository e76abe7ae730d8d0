"""POST /{phone_number_id}/messages: to whom, whether it may go, and what becomes of it."""

from collections import deque
from typing import Any

from simulator.timeline import Kind
from simulator.whatsapp.chats import Message, new_id
from simulator.whatsapp.content import Content, read_content
from simulator.whatsapp.number import Number
from simulator.whatsapp.person import Person
from simulator.whatsapp.refusal import Refused
from simulator.whatsapp.statuses import Statuses
from simulator.whatsapp.world import World

MAX_OPAQUE_CHARS = 512
MINUTE_SECONDS = 60.0


class Sending:
    """Takes what businesses send."""

    def __init__(self, world: World, statuses: Statuses) -> None:
        self._world = world
        self._statuses = statuses
        self._pairs: dict[tuple[str, str], deque[float]] = {}

    def send(self, number: Number, body: dict[str, Any]) -> dict[str, Any]:
        """Do what the body asks and return the answer; raises Refused."""
        if body.get("messaging_product") != "whatsapp":
            raise Refused(100, "Param messaging_product must be whatsapp.")
        if body.get("status"):
            return self._mark(number, body)
        person, whom = self._recipient(body)
        opaque = body.get("biz_opaque_callback_data")
        if opaque is not None and (not isinstance(opaque, str) or len(opaque) > MAX_OPAQUE_CHARS):
            raise Refused(100, f"Param biz_opaque_callback_data is text of at most {MAX_OPAQUE_CHARS} characters.")
        if body.get("type") == "reaction":
            return self._react(number, person, whom, body)
        content = read_content(self._world, number, body)
        late = self._check_may_go(number, person, body)
        message = self._message(person, body, content)
        if late is None:
            self._world.chats.add(number, message)
        self._statuses.follow(number, message, late)
        accepted = {"message_status": "accepted"} if message.kind == "template" else {}
        return _answer(person, whom, {"id": message.id, **accepted})

    def clear(self) -> None:
        """Forget how much was sent to whom."""
        self._pairs.clear()

    def _recipient(self, body: dict[str, Any]) -> tuple[Person, str]:
        phone, user_id = str(body.get("to") or ""), str(body.get("recipient") or "")
        digits = phone.lstrip("+").replace(" ", "").replace("-", "")
        if digits.isdigit():
            return self._world.persons.find(digits), phone
        if phone and not self._world.options.user_id_in_to:
            raise Refused(100, "Param to is not a phone number.")
        whom = user_id or phone
        if "." not in whom:
            raise Refused(131008, "A message needs a recipient.")
        return self._world.persons.find(whom), whom

    def _check_may_go(self, number: Number, person: Person, body: dict[str, Any]) -> Refused | None:
        """Raise Refused, or return why the message will fail later; None where nothing speaks against it."""
        world = self._world
        self._check_pair(number, person)
        template = body.get("type") == "template"
        if template and not body.get("to") and self._category(body) == "authentication":
            raise Refused(131062, "An authentication template needs a phone number.")
        since = world.chats.since_heard(number, person)
        if not template and (since is None or since > world.options.window_seconds):
            refused = Refused(131047, "More than 24 hours have passed since the person last wrote.")
            if world.options.window_error == "refuse":
                raise refused
            return refused
        if not person.reachable:
            return Refused(131026)
        return Refused(world.options.failures.pop(0)) if world.options.failures else None

    def _category(self, body: dict[str, Any]) -> str:
        name = (body.get("template") or {}).get("name", "")
        return str(self._world.options.templates.get(name, {}).get("category", "utility")).lower()

    def _check_pair(self, number: Number, person: Person) -> None:
        if not self._world.options.pair_rate:
            return
        now = self._world.clock.now()
        sent = self._pairs.setdefault((number.phone_number_id, person.key), deque())
        while sent and sent[0] <= now - MINUTE_SECONDS:
            sent.popleft()
        if len(sent) >= self._world.options.pair_rate:
            raise Refused(131056)
        sent.append(now)

    def _message(self, person: Person, body: dict[str, Any], content: Content) -> Message:
        kind = body.get("type", "text")
        return Message(
            new_id(),
            kind,
            person,
            by_business=True,
            text=content.text,
            at=self._world.clock.now(),
            content=body.get(kind, {}),
            quoted=(body.get("context") or {}).get("message_id"),
            choices=content.choices,
            opaque=body.get("biz_opaque_callback_data"),
            files=content.files,
        )

    def _react(self, number: Number, person: Person, whom: str, body: dict[str, Any]) -> dict[str, Any]:
        reaction = body.get("reaction") or {}
        target = self._world.chats.find(number, str(reaction.get("message_id")))
        emoji = reaction.get("emoji", "")
        if target is None or target.person is not person or not isinstance(emoji, str):
            raise Refused(131009, "Param reaction['message_id'] is of no message in this chat.")
        if any(letter.isascii() and letter not in "#*0123456789" for letter in emoji):
            raise Refused(131009, "Param reaction['emoji'] is not an emoji.")
        late = self._check_may_go(number, person, body)
        message = self._message(person, body, Content(emoji))
        if late is None:
            kind: Kind = "reaction" if emoji else "reaction_removed"
            self._world.chats.show(kind, number, target, emoji, by_business=True)
        self._statuses.follow(number, message, late)
        return _answer(person, whom, {"id": message.id})

    def _mark(self, number: Number, body: dict[str, Any]) -> dict[str, Any]:
        message = self._world.chats.find(number, str(body.get("message_id")))
        typing = body.get("typing_indicator")
        if body["status"] != "read" or (typing is not None and typing.get("type") != "text"):
            raise Refused(100, "Param status must be read, and a typing_indicator's type text.")
        if message is None or message.by_business:
            raise Refused(131009, "Param message_id is of no message that a person sent.")
        self._world.chats.show("read", number, message, "", by_business=True)
        if typing is not None:
            self._world.chats.show("status", number, message, "typing", by_business=True)
        return {"success": True}


def _answer(person: Person, whom: str, sent: dict[str, Any]) -> dict[str, Any]:
    contact = {"input": whom} | ({"wa_id": person.phone} if person.phone and person.phone_shown == "yes" else {})
    contact |= {"user_id": person.user_id} if person.user_id else {}
    return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [sent]}

"""What was written between businesses and people; every visible change goes onto the timeline."""

import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

from simulator.clock import Clock
from simulator.timeline import Entry, Kind, Timeline
from simulator.whatsapp.number import Number
from simulator.whatsapp.person import Person


@dataclass(slots=True)
class Message:
    """One message as it reads now. `choices`: what can be pressed, as {id, title}."""

    id: str
    kind: str
    person: Person
    by_business: bool
    text: str
    at: float
    content: dict[str, Any]
    quoted: str | None = None
    choices: list[dict[str, Any]] = field(default_factory=list)
    opaque: str | None = None
    files: list[dict[str, Any]] = field(default_factory=list)
    deleted: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain fields."""
        return {
            "id": self.id,
            "type": self.kind,
            "from_business": self.by_business,
            "person": self.person.key,
            "text": self.text,
            "quoted": self.quoted,
            "choices": self.choices,
            "biz_opaque_callback_data": self.opaque,
            "content": self.content,
        }


def new_id() -> str:
    """Return an id like Meta's: "wamid." and letters that mean nothing."""
    return f"wamid.{b64encode(secrets.token_bytes(24)).decode()}"


class Chats:
    """All chats of all numbers."""

    def __init__(self, timeline: Timeline, clock: Clock) -> None:
        self._timeline = timeline
        self._clock = clock
        self._messages: dict[str, dict[str, Message]] = {}
        self._heard: dict[tuple[str, int], float] = {}

    def add(self, number: Number, message: Message) -> None:
        """Make a message visible; one of a person opens the window."""
        self._messages.setdefault(number.phone_number_id, {})[message.id] = message
        if not message.by_business:
            self.open_window(number, message.person)
        self.record("message", number, message)

    def open_window(self, number: Number, person: Person) -> None:
        """Note that the person wrote, or called, now."""
        self._heard[number.phone_number_id, id(person)] = self._clock.now()

    def since_heard(self, number: Number, person: Person) -> float | None:
        """Return the seconds since the person last wrote; None if never."""
        heard = self._heard.get((number.phone_number_id, id(person)))
        return None if heard is None else self._clock.now() - heard

    def find(self, number: Number, message_id: str) -> Message | None:
        """Return the message."""
        return self._messages.get(number.phone_number_id, {}).get(message_id)

    def of(self, number: Number, person: Person) -> list[Message]:
        """Return what reads in the chat now, oldest first."""
        everything = self._messages.get(number.phone_number_id, {}).values()
        return [message for message in everything if message.person is person and not message.deleted]

    def record(self, kind: Kind, number: Number, message: Message, *, text: str | None = None) -> None:
        """Put a change of the message onto the timeline."""
        entry = Entry(
            len(self._timeline.entries),
            self._clock.now(),
            kind,
            number.phone_number_id,
            message.person.key,
            message.id,
            message.quoted,
            number.display_phone_number if message.by_business else message.person.key,
            message.by_business,
            message.text if text is None else text,
            message.opaque,
            {"type": message.kind},
            message.choices or None,
            None,
            message.files or None,
        )
        self._timeline.append(entry)

    def show(self, kind: Kind, number: Number, message: Message, text: str, *, by_business: bool) -> None:
        """Put what somebody did about the message onto the timeline: a reaction, a receipt, typing."""
        user = number.display_phone_number if by_business else message.person.key
        place = (number.phone_number_id, message.person.key, message.id, None, user)
        now = self._clock.now()
        self._timeline.append(Entry(len(self._timeline.entries), now, kind, *place, by_app=by_business, text=text))

    def clear(self) -> None:
        """Forget everything."""
        self._messages.clear()
        self._heard.clear()

"""A person with WhatsApp, and what of them a business is shown."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(slots=True)
class Person:
    """`user_id`: the business-scoped user id (BSUID). `phone_shown`: how a business sees the phone number."""

    name: str = "Anna"
    phone: str = ""
    user_id: str = ""
    parent_user_id: str = ""
    username: str = ""
    phone_shown: Literal["yes", "absent", "empty"] = "yes"
    reachable: bool = True

    @property
    def key(self) -> str:
        """Where to write to them: the phone number where it is shown, else the user id."""
        return self.phone if self.phone and self.phone_shown == "yes" else self.user_id

    def contact(self) -> dict[str, Any]:
        """Return the entry of a webhook's contacts."""
        profile: dict[str, Any] = {"name": self.name} | ({"username": self.username} if self.username else {})
        return {"profile": profile} | self._named("wa_id", "user_id", "parent_user_id")

    def sender(self) -> dict[str, Any]:
        """Return what a message says of who sent it."""
        return self._named("from", "from_user_id", "from_parent_user_id")

    def recipient(self) -> dict[str, Any]:
        """Return what a status says of whom it went to."""
        return self._named("recipient_id", "recipient_user_id", "recipient_parent_user_id")

    def addressee(self) -> dict[str, Any]:
        """Return what an echo says of whom it went to."""
        return self._named("to", "to_user_id", "to_parent_user_id")

    def _named(self, phone: str, user_id: str, parent: str) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        if self.phone_shown != "absent" and self.phone:
            shown[phone] = self.phone if self.phone_shown == "yes" else ""
        if self.user_id:
            shown[user_id] = self.user_id
        if self.parent_user_id:
            shown[parent] = self.parent_user_id
        return shown


class Persons:
    """Everybody; who is named by a phone number or user id that is new, is there from then on."""

    def __init__(self, persons: Iterable[Person]) -> None:
        self._everybody: list[Person] = []
        for person in persons:
            self.add(person)

    def find(self, who: str) -> Person:
        """Return the person of this phone number, user id or name."""
        for person in self._everybody:
            if who and who in (person.phone, person.user_id, person.parent_user_id, person.name):
                return person
        return self.add(Person(phone=who, name=f"Person {who[-4:]}") if who.isdigit() else Person(user_id=who))

    def add(self, person: Person) -> Person:
        """Let somebody be there; a user id is made for whom has none."""
        if not person.user_id:
            digits = int(hashlib.sha256(person.phone.encode()).hexdigest(), 16) % 10**20
            person.user_id = f"US.{digits:020d}"
        self._everybody.append(person)
        return person

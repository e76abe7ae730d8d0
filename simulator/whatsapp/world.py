"""All parts of the simulated WhatsApp, for whoever acts in it: a call of a business, or a person."""

from dataclasses import dataclass

from simulator.clock import Clock
from simulator.whatsapp.chats import Chats
from simulator.whatsapp.media import MediaStore
from simulator.whatsapp.notifier import Notifier
from simulator.whatsapp.number import Number
from simulator.whatsapp.options import Options
from simulator.whatsapp.person import Persons


@dataclass(frozen=True, slots=True)
class World:
    """The same for all numbers and people."""

    numbers: list[Number]
    persons: Persons
    chats: Chats
    media: MediaStore
    notifier: Notifier
    options: Options
    clock: Clock

    def number(self, phone_number_id: str | None) -> Number:
        """Return the number, the first one for None; raises LookupError."""
        for number in self.numbers:
            if phone_number_id in (None, number.phone_number_id):
                return number
        raise LookupError(f"There is no number {phone_number_id}.")

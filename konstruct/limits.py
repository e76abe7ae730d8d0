"""How much one tenant and one of its contacts may ask for; what a contact is told who writes faster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import inf
from typing import Any

from konstruct.fair_queue import Pace
from konstruct.messages import Heard
from konstruct.rate import MINUTE_SECONDS
from konstruct.triage import Decision

TOO_FAST = "You are writing faster than I can answer. Please give me a minute, then write to me again."
KEPT_CONTACTS = 20_000

_Contact = tuple[object, str, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """None = no limit."""

    answers_per_minute: int | None = None  # of the tenant; what is over it waits
    answers_at_once: int | None = None
    contact_messages_per_minute: int | None = None  # what is over it is read, but not answered
    contact_message: str = TOO_FAST

    def changed(self, stored: Mapping[str, Any]) -> "Limits":
        """These, where the tenant's own file says nothing else."""
        names = {field.name for field in fields(self)}
        return replace(self, **{name: value for name, value in stored.items() if name in names})

    @property
    def pace(self) -> Pace:
        """What the queue of turns keeps."""
        return Pace(self.answers_at_once, self.answers_per_minute)


class ContactLimit:
    """Who wrote how often in the last minute, on one host; lost with it, which lets somebody write a little more."""

    def __init__(self) -> None:
        """Nobody wrote yet."""
        self._within: dict[_Contact, dict[int, float]] = {}
        self._told: dict[_Contact, tuple[float, int]] = {}

    def limited(self, decision: Decision, messages: Sequence[Heard], limits: Limits, now: float) -> Decision:
        """The decision, or to say once a minute that it was too much, or nothing. `now` is monotonic.

        A turn with one message within the limit is answered whole: what waited for long comes together.
        """
        limit = limits.contact_messages_per_minute
        asked = [message for message in messages if message.kind in ("message", "unsupported")]
        if limit is None or not decision.asks or not asked:
            return decision
        # All are counted, however many of them find room.
        within = [self._is_within(message, limit, now) for message in asked]
        if any(within):
            return decision
        told = [self._tells(message, now) for message in asked]
        if any(told):
            return replace(decision, asks=False, text=limits.contact_message)
        return replace(decision, asks=False, outcome="suppressed")

    def _is_within(self, message: Heard, limit: int, now: float) -> bool:
        if len(self._within) > KEPT_CONTACTS:
            self._within.clear()
            self._told.clear()
        counted = self._within.setdefault(_contact(message), {})
        for id_ in [id_ for id_, at in counted.items() if at <= now - MINUTE_SECONDS]:
            del counted[id_]
        # A turn that begins anew finds its messages counted.
        if message.id not in counted and len(counted) < limit:
            counted[message.id] = now
        return message.id in counted

    def _tells(self, message: Heard, now: float) -> bool:
        at, id_ = self._told.get(_contact(message), (-inf, 0))
        if id_ == message.id:  # the turn began anew
            return True
        if now < at + MINUTE_SECONDS:
            return False
        self._told[_contact(message)] = (now, message.id)
        return True


def _contact(message: Heard) -> _Contact:
    return (message.tenant, message.channel, message.contact)

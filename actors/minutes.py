"""The minutes of a turn: what C2 writes of what was heard, said and decided."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from konstruct.database.amendments import MEMORY_CHARS, MEMORY_FORM
from konstruct.database.turns import Outcome
from konstruct.identity import contact_id
from konstruct.messages import Heard, Reply, Spoken
from konstruct.transcript import line_of, role_of
from konstruct.triage import Decision

Remembered = list[tuple[UUID, str]]


@dataclass(slots=True)
class Minutes:
    """One turn's record, from the messages it heard; `turn` numbers the turns of a conversation."""

    heard: Sequence[Heard]
    turn: int
    contacts: dict[UUID, str] = field(init=False)
    spoken: list[Spoken] = field(init=False)
    remembered: Remembered = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Note who speaks and what they say; people who speak for the business are no contacts."""
        people = [h for h in self.heard if h.kind != "operator"]
        self.contacts = {contact_id(h.tenant, h.channel, h.contact): h.contact for h in people}
        self.spoken = [Spoken(role_of(h), line, self.turn) for h in self.heard if (line := line_of(h))]

    def answered(self, text: str) -> None:
        """The employee said this."""
        self.spoken.append(Spoken("employee", text, self.turn))

    def remember(self, answered: str) -> None:
        """One memory per contact: what they said and what they were told."""
        for contact, external in self.contacts.items():
            asked = " ".join(line_of(h) for h in self.heard if h.contact == external)
            self.remembered.append((contact, MEMORY_FORM % (asked[:MEMORY_CHARS], answered[:MEMORY_CHARS])))

    def outcome(
        self, turn: UUID, decision: Decision, replies: Sequence[Reply], known: frozenset[UUID],
        usage: dict[str, Any] | None,
    ) -> Outcome:  # fmt: skip
        """Everything for C2; `known`: contacts that are on record already."""
        private = self.heard[0].address.private
        return Outcome(
            turn=turn,
            heard=self.heard,
            contacts={id_: name for id_, name in self.contacts.items() if id_ not in known},
            said=[_said(h) for h in self.heard if line_of(h)] + self._answers(),
            memories=[{"contact": str(contact), "private": private, "text": text} for contact, text in self.remembered],
            replies=replies,
            usage=usage,
            outcome=decision.outcome,
            counters=decision.counters.stored,
            pause=decision.pause.stored if decision.pause else None,
        )

    def _answers(self) -> list[dict[str, Any]]:
        answers = [entry.text for entry in self.spoken if entry.role == "employee"]
        return [{"role": "employee", "contact": None, "text": text} for text in answers]


def _said(heard: Heard) -> dict[str, Any]:
    role = role_of(heard)
    contact = str(contact_id(heard.tenant, heard.channel, heard.contact)) if role == "contact" else None
    said: dict[str, Any] = {"role": role, "contact": contact, "text": line_of(heard), "source_id": heard.source_id}
    return said | {"files": heard.files} if heard.files else said

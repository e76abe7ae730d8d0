"""Usage as Stripe's meters are told it, and what they say of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

# Stripe enforces that identifiers are unique for at least this long.
IDENTIFIER_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class MeterEvent:
    """Usage to tell: `anew` counts identifiers that Stripe is known not to have counted."""

    id: UUID
    anew: int
    attempt: int
    customer: str
    event_name: str
    value: int
    stamped_at: datetime

    @property
    def identifier(self) -> str:
        """The same for every repetition."""
        return f"{self.id}.{self.anew}" if self.anew else str(self.id)


@dataclass(frozen=True, slots=True)
class MeterErrors:
    """One report of what was wrong. `named`: errors by event's id and `anew`; `unnamed`: how many more there are.

    `event_name` "": of no meter that Stripe knows.
    """

    summary: str
    count: int
    named: Mapping[tuple[UUID, int], str]
    event_name: str
    begin: datetime
    end: datetime

    @property
    def unnamed(self) -> int:
        """Stripe names a few only."""
        return self.count - len(self.named)

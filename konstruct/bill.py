"""A bill: what was used in a time, what Stripe was told of it, and what it costs by the plan. Whole numbers only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from konstruct.plans import MICROS_PER_CENT, Plan, Reckoning


@dataclass(frozen=True, slots=True)
class Entry:
    """Turns of one model, or charged messages of one kind. `unpriced`: how many had no known price."""

    source: str
    kind: str
    count: int
    prompt_tokens: int
    completion_tokens: int
    cost_micros: int
    unpriced: int


@dataclass(frozen=True, slots=True)
class Movements:
    """From the ledger to what Stripe was told, in the plan's unit."""

    ledger: int
    forgotten: int
    changed: int
    outside: int
    earlier: int
    later: int
    unsent: int
    refused: int
    told: int

    @property
    def adds_up(self) -> bool:
        """Whether every difference has its name; anything else is a defect of ours."""
        with_additions = self.ledger + self.forgotten + self.changed + self.earlier
        return with_additions - self.outside - self.later - self.unsent - self.refused == self.told


@dataclass(frozen=True, slots=True)
class Line:
    """A line of Stripe's invoice. `asked`: it is the one to explain."""

    id: str
    invoice: str
    price: str
    quantity: int
    cents: int
    begin: datetime
    end: datetime
    description: str = ""
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Bill:
    """One tenant's time, explained. Without a plan there are only entries; `lines`: of the invoice, if asked."""

    tenant: str
    begin: datetime
    end: datetime
    entries: Sequence[Entry]
    plan: Plan | None = None
    movements: Movements | None = None
    lines: Sequence[Line] = ()

    @property
    def cost_micros(self) -> int:
        """What models and messages cost."""
        return sum(entry.cost_micros for entry in self.entries)

    @property
    def reckoning(self) -> Reckoning | None:
        """What Stripe was told, by the plan."""
        return self.plan.reckon(self.movements.told) if self.plan and self.movements else None

    @property
    def usage_lines(self) -> list[Line]:
        """The invoice's lines for usage: one for each tier."""
        return [line for line in self.lines if self.plan and line.price == self.plan.usage_price]

    @property
    def difference_micros(self) -> int | None:
        """The invoice's usage less ours; None without an invoice. Zero is as it must be."""
        if not self.usage_lines or self.reckoning is None:
            return None
        return (sum(line.cents for line in self.usage_lines) - self.reckoning.cents) * MICROS_PER_CENT

    @property
    def difference_units(self) -> int | None:
        """The invoice's quantity less what Stripe was told."""
        if not self.usage_lines or self.movements is None:
            return None
        return sum(line.quantity for line in self.usage_lines) - self.movements.told

"""One line of the benchmark's table: what was measured, against what, and whether it meets its goal."""

import math
from dataclasses import dataclass
from typing import Literal

TIMES = "\u00d7"


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit for the value itself, or for its ratio to the reference."""

    of: Literal["value", "ratio"]
    sense: Literal["≥", "≤"]
    limit: float

    def __str__(self) -> str:
        """As the table shows it."""
        return f"{self.sense} {number(self.limit)}{' ' + TIMES if self.of == 'ratio' else ''}"


@dataclass(frozen=True, slots=True)
class Figure:
    """`against`: what `reference` is, in words. Without a goal the line only informs."""

    name: str
    value: float
    unit: str
    against: str = ""
    reference: float | None = None
    goal: Goal | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Value over reference."""
        return self.value / self.reference if self.reference else None

    @property
    def margin(self) -> float | None:
        """How far on the good side of the goal; 1 = exactly met, 2 = twice as good, None = no goal."""
        if self.goal is None:
            return None
        reached = self.value if self.goal.of == "value" else self.ratio
        if reached is None:
            return None
        if self.goal.sense == "≥":
            return reached / self.goal.limit
        return self.goal.limit / reached if reached else float("inf")

    @property
    def met(self) -> bool | None:
        """None where there is no goal. A goal of "at most 0" is met by 0 only."""
        if self.goal is None:
            return None
        if self.goal.limit == 0:
            return self.value == 0
        return (self.margin or 0) >= 1

    def __str__(self) -> str:
        """One line for the console."""
        ratio = (
            ""
            if self.ratio is None
            else f" = {number(self.ratio)} {TIMES} {number(self.reference or 0)} ({self.against})"
        )
        verdict = "" if self.met is None else f"   goal {self.goal}: {'met' if self.met else 'NOT MET'}"
        return f"{self.name}: {number(self.value)} {self.unit}{ratio}{verdict}"


def number(value: float) -> str:
    """Three significant digits, or the whole number where it has more."""
    if math.isnan(value):
        return "not measured"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def ratio_at_least(limit: float) -> Goal:
    """Goal for the ratio to the reference."""
    return Goal("ratio", "≥", limit)


def ratio_at_most(limit: float) -> Goal:
    """Goal for the ratio to the reference."""
    return Goal("ratio", "≤", limit)


def at_most(limit: float) -> Goal:
    """Goal for the value itself."""
    return Goal("value", "≤", limit)

"""What tokens cost, in whole numbers: prices are micro-USD per million tokens, so a token's is exact in pico-USD.

Amounts of calls are added exactly, in pico-USD; what a turn cost is rounded once, up, to micro-USD.
"""

from dataclasses import dataclass
from typing import Any

from konstruct.models import Usage

PICOS_PER_MICRO = 1_000_000
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rates:
    """Micro-USD per million tokens: asked, asked and found in the provider's cache, answered."""

    input: int
    cached: int
    output: int

    def picos(self, usage: Usage) -> int:
        """What this many tokens cost."""
        cached = min(max(usage.cached_tokens, 0), max(usage.prompt_tokens, 0))
        fresh = max(usage.prompt_tokens, 0) - cached
        return fresh * self.input + cached * self.cached + max(usage.completion_tokens, 0) * self.output


@dataclass(frozen=True, slots=True)
class Price:
    """A model's price in one version of one list. `above`: other rates for prompts of more than so many tokens."""

    source: str  # which list, and which version of it
    rates: Rates = Rates(0, 0, 0)
    above: tuple[tuple[int, Rates], ...] = ()

    @property
    def known(self) -> bool:
        """False where nobody said what the model costs: it counts as 0, and no budget of money allows it."""
        return self.source != UNKNOWN

    def rates_for(self, prompt_tokens: int) -> Rates:
        """The rates of a call with a prompt of this size."""
        return next((rates for size, rates in reversed(self.above) if prompt_tokens > size), self.rates)

    def picos(self, usage: Usage) -> int:
        """What one call cost, exactly."""
        return self.rates_for(usage.prompt_tokens).picos(usage)

    def picos_at_most(self, prompt_tokens: int, completion_tokens: int) -> int:
        """What one call can cost that asks and answers with no more tokens than these."""
        worst = Usage(prompt_tokens, completion_tokens)
        possible = [self.rates, *(rates for size, rates in self.above if prompt_tokens > size)]
        uncached = [Rates(max(rates.input, rates.cached), 0, rates.output) for rates in possible]
        return max(rates.picos(worst) for rates in uncached)

    def version(self, prompt_tokens: int) -> str:
        """The list and the rates that were applied: enough to work the amount out again."""
        rates = self.rates_for(prompt_tokens)
        return f"{self.source} in={rates.input} cached={rates.cached} out={rates.output}"

    @classmethod
    def stated(cls, source: str, entry: dict[str, Any]) -> "Price":
        """The price that an operator states: micro-USD per million tokens; without `cached`, that of `input`."""
        cached = entry.get("cached")
        return cls(source, Rates(entry["input"], entry["input"] if cached is None else cached, entry["output"]))


FREE = Price("free")
NOBODY_KNOWS = Price(UNKNOWN)


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a model is asked: whose it is, what it costs, how long its answer may be."""

    provider: str
    price: Price
    answer_tokens: int  # at most, thinking included


UNPRICED = Terms("", FREE, 0)


def micros(picos: int) -> int:
    """Pico-USD as micro-USD, rounded up."""
    return -(-picos // PICOS_PER_MICRO)

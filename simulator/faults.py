"""What goes wrong, how often and for which calls: set when the simulator starts, or while it runs."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

FaultKind = Literal[
    "rate_limit",
    "server_error",
    "refuse",
    "latency",
    "hang_before_delivery",
    "hang_after_delivery",
    "close_before_delivery",
    "close_after_delivery",
]


@dataclass(slots=True)
class Fault:
    """One rule.

    `times` counts down (None: for ever); `channel` None means any; `method` "" means the vendor's way to send a
    message, "*" any. `error` is what a refusal says: Slack's word, or WhatsApp's code.
    `delay_seconds` is how long a latency lasts, or a hang until the connection is closed without an answer.
    """

    kind: FaultKind
    method: str = ""
    channel: str | None = None
    times: int | None = 1
    probability: float = 1.0
    retry_after: int = 1
    status: int = 503
    error: str = "internal_error"
    delay_seconds: float = 60.0
    hits: int = 0

    @classmethod
    def from_json(cls, rule: dict[str, Any]) -> "Fault":
        """Read a rule; raises ValueError with a sentence where it makes no sense."""
        unknown = set(rule) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"A fault has no field {', '.join(sorted(unknown))}.")
        if rule.get("kind") not in get_args(FaultKind):
            raise ValueError(f"A fault's kind is one of {', '.join(get_args(FaultKind))}.")
        return cls(**rule)

    def applies(self, method: str, channel: str, usual: str) -> bool:
        """Tell whether the rule is for this call and not used up; chance is not asked."""
        return self.times != 0 and (self.method or usual) in ("*", method) and self.channel in (None, channel)


class Faults:
    """The rules in force; latencies add up, the first other that applies and has its chance decides."""

    def __init__(self, rules: Iterable[Fault], seed: int, usual: str) -> None:
        """`usual`: the method with which a message is sent."""
        self.rules = list(rules)
        self._usual = usual
        self._random = random.Random(seed)  # noqa: S311 - repeatable chance, not a secret

    def strike(self, method: str, channel: str) -> Iterator[Fault]:
        """Yield the rules that hit this call, counted as used: any latencies, then at most one other."""
        for rule in self.rules:
            if rule.applies(method, channel, self._usual) and (
                rule.probability >= 1 or self._random.random() < rule.probability
            ):
                rule.hits += 1
                if rule.times is not None:
                    rule.times -= 1
                yield rule
                if rule.kind != "latency":
                    return

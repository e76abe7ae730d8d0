"""The history checker: sees only what was acknowledged and what is visible in Slack, and counts broken promises."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from simulator.delivery import Delivery

TOKEN = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Said:
    """A message that was acknowledged: when it was first sent, and when it got its 200."""

    number: int
    sent: float
    acknowledged: float

    @classmethod
    def from_delivery(cls, number: int, delivery: Delivery) -> Self | None:
        """None if no attempt was acknowledged: nothing is promised for it."""
        accepted = [attempt for attempt in delivery.attempts if attempt.status == 200]
        if not accepted:
            return None
        return cls(number, delivery.attempts[0].at, accepted[0].at + accepted[0].seconds)


@dataclass
class Verdict:
    """Message numbers, by what is wrong with their answers."""

    lost: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    misordered: list[int] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """No promise broken."""
        return not (self.lost or self.doubled or self.misordered)

    def __str__(self) -> str:
        """One line for a report."""
        return f"lost {len(self.lost)}, doubled {len(self.doubled)}, misordered {len(self.misordered)}"


def text_of(number: int) -> str:
    """The text of message number `number`; the model under test repeats it."""
    return f"message [{number}]"


def in_order(numbers: Iterable[int]) -> list[Said]:
    """Messages of which each was acknowledged before the next was said."""
    return [Said(number, 2 * at, 2 * at + 1) for at, number in enumerate(numbers)]


def check(acknowledged: Mapping[str, Sequence[Said]], visible: Mapping[str, Iterable[str]]) -> Verdict:
    """`acknowledged`: by channel; `visible`: channel -> the employee's messages as they read now, in order.

    G1: every acknowledged message is answered. G2: once. G3: a message that was acknowledged before another was first
    sent is not answered after it.
    """
    verdict = Verdict()
    for channel, said in acknowledged.items():
        places: dict[int, list[int]] = defaultdict(list)
        for place, text in enumerate(visible.get(channel, ())):
            for token in dict.fromkeys(TOKEN.findall(text)):
                places[int(token)].append(place)
        verdict.lost += [message.number for message in said if not places[message.number]]
        verdict.doubled += [number for number, seen in places.items() if len(seen) > 1]
        verdict.misordered += _late(said, places)
    return verdict


def _late(said: Sequence[Said], places: Mapping[int, list[int]]) -> list[int]:
    late = []
    for message in said:
        before = [other for other in said if other.acknowledged < message.sent and places[other.number]]
        if places[message.number] and any(places[other.number][0] > places[message.number][0] for other in before):
            late.append(message.number)
    return late

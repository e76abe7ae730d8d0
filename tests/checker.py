"""The history checker: sees only what was acknowledged and what is visible in Slack, and counts broken promises."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

TOKEN = re.compile(r"<(\d+)>")


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
    return f"message <{number}>"


def check(acknowledged: Mapping[str, Iterable[int]], visible: Mapping[str, Iterable[str]]) -> Verdict:
    """`acknowledged`: channel -> message numbers in the order said; `visible`: channel -> the employee's messages.

    G1: every acknowledged message is answered. G2: once. G3: answers come in the order of the messages.
    """
    verdict = Verdict()
    for channel, numbers in acknowledged.items():
        answered: dict[int, int] = defaultdict(int)
        order: list[int] = []
        for text in visible.get(channel, ()):
            for token in dict.fromkeys(TOKEN.findall(text)):
                answered[int(token)] += 1
                order.append(int(token))
        verdict.lost += [number for number in numbers if not answered[number]]
        verdict.doubled += [number for number, times in answered.items() if times > 1]
        verdict.misordered += [late for early, late in zip(order, order[1:], strict=False) if late < early]
    return verdict

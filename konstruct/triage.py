"""What a turn has to do, decided before any model is asked: answer, say something fixed, hand over, or only listen."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from konstruct.escalation import Counters, Rule, first_hit, heard
from konstruct.messages import Heard

OPERATOR_SPEAKS = "an operator speaks"
DEFAULT_RESUME_SECONDS = 240 * 60.0
HANDED_OVER = "I have asked a colleague to take over. They will answer you here."
HANDED_OVER_ON_WEB = (
    "I have told a colleague, who reads what you wrote but cannot answer in this chat. "
    "If they don't know how to reach you, please contact us another way, too."
)

SUSPENDED = "I'm sorry, I can't answer at the moment. Please try again later, or contact us another way."

Outcome = Literal["answered", "suppressed", "escalated"]


@dataclass(frozen=True, slots=True)
class Escalation:
    """When a human must take over, what the contact is told then, and after how long the employee goes on."""

    rules: tuple[Rule, ...] = ()
    message: str = ""
    resume_after_seconds: float = DEFAULT_RESUME_SECONDS


@dataclass(frozen=True, slots=True)
class Pause:
    """Why the employee is silent from now on, for how many seconds, and whether a rule or an operator made it so."""

    reason: str
    seconds: float
    by: Literal["rule", "operator"]

    @property
    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return {"reason": self.reason, "seconds": self.seconds, "by": self.by}


@dataclass(frozen=True, slots=True)
class Decision:
    """`asks`: a model writes the answer; otherwise `text` is said, or nothing where it is empty."""

    outcome: Outcome
    counters: Counters
    asks: bool = False
    text: str = ""
    pause: Pause | None = None
    rule: str = field(default="")  # the rule that asked for a human


def triage(messages: Sequence[Heard], counters: Counters, escalation: Escalation, *, paused: bool) -> Decision:
    """Decide for the messages of one turn, in their order. `counters`: as the conversation left them."""
    asked = [message for message in messages if message.kind in ("message", "unsupported")]
    hit: Rule | None = None
    for message in asked:
        counters = heard(escalation.rules, message.text, counters)
        hit = hit or first_hit(escalation.rules, message.text, counters)
    if any(message.kind == "operator" for message in messages):
        return Decision(
            "suppressed", counters, pause=Pause(OPERATOR_SPEAKS, escalation.resume_after_seconds, "operator")
        )
    if paused or not asked:
        return Decision("suppressed", counters)
    if hit is not None:
        pause = Pause(f"rule: {hit}", escalation.resume_after_seconds, "rule")
        # What led here is settled with it: after the pause, rules count from zero.
        return Decision("escalated", Counters(), text=escalation.message, pause=pause, rule=str(hit))
    if all(message.kind == "unsupported" for message in asked):
        return Decision("answered", counters, text=_cannot_read(asked))
    return Decision("answered", counters, asks=True)


def suspended(decision: Decision) -> Decision:
    """What is done where the tenant's subscription does not pay for answers: a polite word, never silence."""
    return replace(decision, asks=False, text=SUSPENDED) if decision.asks else decision


def _cannot_read(messages: Sequence[Heard]) -> str:
    what = " and ".join(dict.fromkeys(message.text for message in messages))
    return f"I'm sorry, I can't read {what} yet. Could you write it to me as text?"

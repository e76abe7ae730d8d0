"""What can be pressed below an answer: choices and feedback. https://docs.slack.dev/reference/block-kit."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from konstruct.choices import split_choices
from konstruct.messages import Reply

FEEDBACK_ACTION = "konstruct_feedback"
# Followed by the choice's number; the button's value is the choice's whole text.
CHOICE_ACTION = "konstruct_choice_"
LONGEST_LABEL_CHARS = 75
LONGEST_VALUE_CHARS = 2_000

# The value says what is rated and how: Slack tells no more than the value of the button that was pressed.
_GOOD, _BAD = "good", "bad"


def below(reply: Reply, text: str) -> list[dict[str, Any]]:
    """What can be pressed below a whole reply."""
    feedback = [feedback_buttons(reply.turn)] if reply.source_id and reply.last else []
    return [*choice_buttons(split_choices(text)[1]), *feedback]


def choice_buttons(choices: Sequence[str]) -> list[dict[str, Any]]:
    """The block of buttons that offers the choices; none without choices."""
    if not choices:
        return []
    return [{"type": "actions", "elements": [_choice(number, choice) for number, choice in enumerate(choices)]}]


def feedback_buttons(turn: UUID) -> dict[str, Any]:
    """The block that asks whether the turn's answer was good."""
    buttons = {
        "type": "feedback_buttons",
        "action_id": FEEDBACK_ACTION,
        "positive_button": _feedback("Good answer", f"{_GOOD}:{turn}"),
        "negative_button": _feedback("Bad answer", f"{_BAD}:{turn}"),
    }
    return {"type": "context_actions", "elements": [buttons]}


def read_feedback(value: str) -> tuple[UUID, bool] | None:
    """The turn that was rated and whether it was good; None where the value is none of ours."""
    verdict, _, turn = value.partition(":")
    try:
        return (UUID(turn), verdict == _GOOD) if verdict in (_GOOD, _BAD) else None
    except ValueError:
        return None


def _choice(number: int, choice: str) -> dict[str, Any]:
    label = choice if len(choice) <= LONGEST_LABEL_CHARS else choice[: LONGEST_LABEL_CHARS - 1] + "…"
    return {
        "type": "button",
        "action_id": f"{CHOICE_ACTION}{number}",
        "text": {"type": "plain_text", "text": label, "emoji": True},
        "value": choice[:LONGEST_VALUE_CHARS],
    }


def _feedback(label: str, value: str) -> dict[str, Any]:
    return {"text": {"type": "plain_text", "text": label}, "value": value, "accessibility_label": label}

"""What Slack shows of the employee outside of answers: the home tab, suggested prompts, and choices once made."""

from collections.abc import Sequence
from typing import Any

from konstruct.channels import slack

MAX_PROMPTS = 4


def prompts(employee: dict[str, Any]) -> list[tuple[str, str]]:
    """The employee's suggested prompts as (title, message)."""
    found = (employee.get("options") or {}).get("suggested_prompts") or []
    return [(prompt["title"], prompt["message"]) for prompt in found[:MAX_PROMPTS]]


def view(name: str, suggested: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The home tab."""
    lines = [
        f"I am {name}, an AI employee. Write to me in the *Messages* tab, or mention me in a channel.",
        "In a thread that I am in, you need not mention me again.",
        "What I say may be wrong. Ask for a human whenever you want one. `/konstruct help` says what else there is.",
    ]
    if suggested:
        lines.append("You could ask me:\n" + "\n".join(f"• {slack.escape(message)}" for _, message in suggested))
    header = {"type": "header", "text": {"type": "plain_text", "text": name[:150], "emoji": True}}
    return {"type": "home", "blocks": [header, *(_section(line) for line in lines)]}


def chosen(message: dict[str, Any], value: str, user: str) -> list[dict[str, Any]]:
    """A message's blocks with what was chosen in the place of its buttons."""
    blocks = message.get("blocks")
    kept = [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
    said = {"type": "mrkdwn", "text": f"<@{user}>: *{slack.escape(value)}*"}
    shown = {"type": "context", "elements": [said]}
    return [shown if block.get("type") == "actions" else block for block in kept]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}

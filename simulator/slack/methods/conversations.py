"""conversations.…: history, threads, direct messages."""

import re
from typing import Any

from simulator.slack.arguments import is_true
from simulator.slack.methods.call import Call
from simulator.slack.reading import history, replies
from simulator.slack.refusal import Refused


def open_conversation(call: Call) -> dict[str, Any]:
    """conversations.open: the direct message of one user is "D" and the user's id less its first letter."""
    user = call.text("users")
    if not re.fullmatch(r"[UW][A-Z0-9]+", user):
        raise Refused("user_not_found")
    return {"channel": {"id": f"D{user[1:]}"}}


def read_history(call: Call) -> dict[str, Any]:
    """conversations.history: top-level messages, newest first."""
    _, place = call.channel()
    return history(place, call.arguments, metadata=is_true(call.arguments, "include_all_metadata"))


def read_replies(call: Call) -> dict[str, Any]:
    """conversations.replies: one thread with its root, oldest first."""
    _, place = call.channel()
    return replies(place, call.arguments, metadata=is_true(call.arguments, "include_all_metadata"))

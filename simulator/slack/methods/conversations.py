"""conversations.…: history, threads, direct messages, and what a channel is."""

from typing import Any

from simulator.slack.arguments import is_true
from simulator.slack.methods.call import Call
from simulator.slack.reading import history, replies

# What a commercial app outside the Marketplace gets at most: 15 messages.
MARKETPLACE_PAGE = 15


def open_conversation(call: Call) -> dict[str, Any]:
    """conversations.open: the direct message of one user is "D" and the user's id less its first letter.

    Several users get the group message "G" and all their ids.
    """
    users = sorted(filter(None, call.text("users").split(",")))
    for user in users or [""]:
        call.user_named(user)
    return {"channel": {"id": f"D{users[0][1:]}" if len(users) == 1 else f"G{''.join(user[1:] for user in users)}"}}


def describe(call: Call) -> dict[str, Any]:
    """conversations.info: the kind follows from the id's first letter."""
    channel, _ = call.channel()
    fields: dict[str, Any] = {
        "id": channel,
        "is_im": channel.startswith("D"),
        "is_mpim": channel.startswith("G"),
        "is_channel": channel.startswith("C"),
        "is_private": not channel.startswith("C"),
        "is_member": True,
        "is_archived": False,
        "context_team_id": call.app.team,
    }
    if channel.startswith("D"):
        return {"channel": fields | {"user": f"U{channel[1:]}"}}
    return {"channel": fields | {"name": call.options.names.get(channel, channel.lower())}}


def read_history(call: Call) -> dict[str, Any]:
    """conversations.history: top-level messages, newest first."""
    _, place = call.channel()
    return history(place, _limited(call), metadata=is_true(call.arguments, "include_all_metadata"))


def read_replies(call: Call) -> dict[str, Any]:
    """conversations.replies: one thread with its root, oldest first."""
    _, place = call.channel()
    return replies(place, _limited(call), metadata=is_true(call.arguments, "include_all_metadata"))


def _limited(call: Call) -> dict[str, Any]:
    if not call.options.non_marketplace:
        return call.arguments
    return call.arguments | {"limit": min(int(call.text("limit") or MARKETPLACE_PAGE), MARKETPLACE_PAGE)}

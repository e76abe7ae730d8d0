"""reactions.add, reactions.remove and reactions.get."""

from typing import Any

from simulator.slack.methods.call import Call
from simulator.slack.refusal import Refused


def add(call: Call) -> dict[str, Any]:
    """reactions.add: each user reacts once with the same name."""
    channel, message = call.message("timestamp")
    app, name = call.app, _name(call)
    if not call.workspaces.react(app.team, channel, message, app.bot_user, name, by_app=True):
        raise Refused("already_reacted")
    return {}


def remove(call: Call) -> dict[str, Any]:
    """reactions.remove: only the app's own."""
    channel, message = call.message("timestamp")
    app, name = call.app, _name(call)
    if not call.workspaces.unreact(app.team, channel, message, app.bot_user, name, by_app=True):
        raise Refused("no_reaction")
    return {}


def get(call: Call) -> dict[str, Any]:
    """reactions.get: the message with everybody's reactions."""
    channel, message = call.message("timestamp")
    return {"type": "message", "channel": channel, "message": message.to_json()}


def _name(call: Call) -> str:
    name = call.text("name")
    if not name or not all(letter.isalnum() or letter in "_-+':" for letter in name) or not name.isascii():
        raise Refused("invalid_name")
    return name

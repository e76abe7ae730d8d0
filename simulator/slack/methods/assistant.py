"""assistant.threads.…: what is seen beside the thread."""

from typing import Any

from simulator.slack.methods.call import Call
from simulator.slack.refusal import Refused

MAX_LOADING_MESSAGES = 10


def set_status(call: Call) -> dict[str, Any]:
    """assistant.threads.setStatus: seen beside the thread until "" or a message of the app."""
    channel, _ = call.channel("channel_id")
    thread_ts = call.text("thread_ts")
    if not thread_ts or len(call.arguments.get("loading_messages") or ()) > MAX_LOADING_MESSAGES:
        raise Refused("invalid_arguments")
    call.workspaces.show_status(call.app, channel, thread_ts, call.text("status"))
    return {}

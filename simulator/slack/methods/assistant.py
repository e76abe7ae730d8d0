"""assistant.threads.…: what is seen beside the thread."""

from typing import Any

import orjson

from simulator.slack.methods.call import Call
from simulator.slack.refusal import Refused

MAX_LOADING_MESSAGES = 10
MAX_PROMPTS = 4


def set_status(call: Call) -> dict[str, Any]:
    """assistant.threads.setStatus: seen beside the thread until "" or a message of the app."""
    channel, _ = call.channel("channel_id")
    thread_ts = call.text("thread_ts")
    if not thread_ts or len(call.arguments.get("loading_messages") or ()) > MAX_LOADING_MESSAGES:
        raise Refused("invalid_arguments")
    call.workspaces.show_status(call.app, channel, thread_ts, call.text("status"))
    return {}


def set_prompts(call: Call) -> dict[str, Any]:
    """assistant.threads.setSuggestedPrompts: up to four; without a thread they stay on the tab."""
    channel, _ = call.channel("channel_id")
    prompts = call.arguments.get("prompts")
    prompts = orjson.loads(prompts) if isinstance(prompts, str) else prompts
    if not prompts or len(prompts) > MAX_PROMPTS or any(not p.get("title") or not p.get("message") for p in prompts):
        raise Refused("invalid_arguments")
    titles = "\n".join(prompt["title"] for prompt in prompts)
    call.workspaces.show("prompts", call.app, (channel, call.text("thread_ts")), titles, prompts)
    return {}


def set_title(call: Call) -> dict[str, Any]:
    """assistant.threads.setTitle: how the thread is called in its list."""
    channel, _ = call.channel("channel_id")
    if not call.text("title") or not call.text("thread_ts"):
        raise Refused("invalid_arguments")
    call.workspaces.show("title", call.app, (channel, call.text("thread_ts")), call.text("title"), [])
    return {}

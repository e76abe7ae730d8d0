"""The Web API's methods. Each takes a call and returns the answer's fields, or raises `Refused`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.app import App
from simulator.arguments import is_true, text_of
from simulator.content import check_edit, read_content
from simulator.message import Message
from simulator.reading import history, replies
from simulator.refusal import Refused
from simulator.workspace import Channel, Workspaces

CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]{2,}\Z")
MAX_LOADING_MESSAGES = 10


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call of one app."""

    app: App
    arguments: dict[str, Any]
    workspaces: Workspaces
    honour_client_msg_id: bool

    def channel(self, name: str = "channel") -> tuple[str, Channel]:
        """Return the channel that the call names; raises Refused if there can be none of that id."""
        channel = text_of(self.arguments, name)
        if not CHANNEL_ID.match(channel):
            raise Refused("channel_not_found")
        return channel, self.workspaces.channel(self.app.team, channel)


def post_message(call: Call) -> dict[str, Any]:
    """chat.postMessage: a repeated `client_msg_id` gives the first message again, where that is honoured."""
    channel, place = call.channel()
    client_id = text_of(call.arguments, "client_msg_id") or None
    if client_id and call.honour_client_msg_id and client_id in place.by_client_id:
        return _posted(channel, place.by_client_id[client_id])
    content = read_content(call.arguments)
    if client_id and call.honour_client_msg_id:
        content.extra["client_msg_id"] = client_id
    message = call.workspaces.post(
        call.app.team,
        channel,
        call.app.bot_user,
        content,
        bot=call.app.bot,
        thread_ts=text_of(call.arguments, "thread_ts") or None,
        client_msg_id=client_id,
    )
    if client_id and call.honour_client_msg_id:
        place.by_client_id[client_id] = message
    return _posted(channel, message)


def _posted(channel: str, message: Message) -> dict[str, Any]:
    return {"channel": channel, "ts": message.ts, "message": message.to_json(metadata=True)}


def update(call: Call) -> dict[str, Any]:
    """chat.update: only the app's own messages, and a text of at most 4,000 escaped bytes."""
    channel, message = _own_message(call, "cant_update_message")
    content = read_content(call.arguments)
    check_edit(content.text)
    call.workspaces.edit(call.app.team, channel, message, content)
    return {
        "channel": channel,
        "ts": message.ts,
        "text": content.text,
        "message": message.to_json(metadata=True),
    }


def delete(call: Call) -> dict[str, Any]:
    """chat.delete: only the app's own messages."""
    channel, message = _own_message(call, "cant_delete_message")
    call.workspaces.delete(call.app.team, channel, message)
    return {"channel": channel, "ts": message.ts}


def _own_message(call: Call, otherwise: str) -> tuple[str, Message]:
    channel, place = call.channel()
    message = place.by_ts.get(text_of(call.arguments, "ts"))
    if message is None or message.deleted:
        raise Refused("message_not_found")
    if message.bot != call.app.bot:
        raise Refused(otherwise)
    return channel, message


def set_status(call: Call) -> dict[str, Any]:
    """assistant.threads.setStatus: seen beside the thread until "" or a message of the app."""
    channel, _ = call.channel("channel_id")
    thread_ts = text_of(call.arguments, "thread_ts")
    if not thread_ts or len(call.arguments.get("loading_messages") or ()) > MAX_LOADING_MESSAGES:
        raise Refused("invalid_arguments")
    call.workspaces.show_status(call.app, channel, thread_ts, text_of(call.arguments, "status"))
    return {}


def add_reaction(call: Call) -> dict[str, Any]:
    """reactions.add: recorded on the timeline."""
    channel, place = call.channel()
    message = place.by_ts.get(text_of(call.arguments, "timestamp"))
    if message is None or message.deleted:
        raise Refused("message_not_found")
    call.workspaces.react(call.app, channel, message, text_of(call.arguments, "name"))
    return {}


def open_conversation(call: Call) -> dict[str, Any]:
    """conversations.open: the direct message of one user is "D" and the user's id less its first letter."""
    user = text_of(call.arguments, "users")
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


def test_auth(call: Call) -> dict[str, Any]:
    """auth.test: who the token is."""
    app = call.app
    return {
        "url": f"https://{app.tenant}.slack.com/",
        "team": app.tenant,
        "user": app.name.lower(),
        "team_id": app.team,
        "user_id": app.bot_user,
        "bot_id": app.bot,
        "is_enterprise_install": False,
    }


METHODS: Mapping[str, Callable[[Call], dict[str, Any]]] = {
    "auth.test": test_auth,
    "chat.postMessage": post_message,
    "chat.update": update,
    "chat.delete": delete,
    "assistant.threads.setStatus": set_status,
    "conversations.history": read_history,
    "conversations.replies": read_replies,
    "conversations.open": open_conversation,
    "reactions.add": add_reaction,
}

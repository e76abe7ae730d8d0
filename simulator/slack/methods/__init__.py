"""The Web API's methods, by name."""

from collections.abc import Callable, Mapping
from typing import Any

from simulator.slack.methods import assistant, auth, chat, conversations, reactions, stream
from simulator.slack.methods.call import Call

__all__ = ["METHODS", "Call"]

METHODS: Mapping[str, Callable[[Call], dict[str, Any]]] = {
    "auth.test": auth.test,
    "chat.postMessage": chat.post_message,
    "chat.update": chat.update,
    "chat.delete": chat.delete,
    "chat.startStream": stream.start,
    "chat.appendStream": stream.append,
    "chat.stopStream": stream.stop,
    "assistant.threads.setStatus": assistant.set_status,
    "conversations.history": conversations.read_history,
    "conversations.replies": conversations.read_replies,
    "conversations.open": conversations.open_conversation,
    "reactions.add": reactions.add,
    "reactions.remove": reactions.remove,
    "reactions.get": reactions.get,
}

"""The Web API's methods, by name."""

from collections.abc import Callable, Mapping
from typing import Any

from simulator.slack.methods import assistant, auth, chat, conversations, files, reactions, stream, users, views
from simulator.slack.methods.before import BEFORE, Request
from simulator.slack.methods.call import Call

__all__ = ["BEFORE", "METHODS", "Call", "Request"]

METHODS: Mapping[str, Callable[[Call], dict[str, Any]]] = {
    "auth.test": auth.test,
    "auth.revoke": auth.revoke,
    "chat.postMessage": chat.post_message,
    "chat.update": chat.update,
    "chat.delete": chat.delete,
    "chat.postEphemeral": chat.post_ephemeral,
    "chat.getPermalink": chat.get_permalink,
    "chat.startStream": stream.start,
    "chat.appendStream": stream.append,
    "chat.stopStream": stream.stop,
    "assistant.threads.setStatus": assistant.set_status,
    "assistant.threads.setSuggestedPrompts": assistant.set_prompts,
    "assistant.threads.setTitle": assistant.set_title,
    "conversations.info": conversations.describe,
    "conversations.history": conversations.read_history,
    "conversations.replies": conversations.read_replies,
    "conversations.open": conversations.open_conversation,
    "files.info": files.describe,
    "files.getUploadURLExternal": files.get_upload_url,
    "files.completeUploadExternal": files.complete_upload,
    "users.info": users.describe,
    "views.publish": views.publish,
    "reactions.add": reactions.add,
    "reactions.remove": reactions.remove,
    "reactions.get": reactions.get,
}

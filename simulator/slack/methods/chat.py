"""chat.postMessage, chat.update and chat.delete."""

from typing import Any

from simulator.slack.content import check_edit, read_content
from simulator.slack.message import Message
from simulator.slack.methods.call import Call
from simulator.slack.methods.stream import is_open
from simulator.slack.refusal import Refused


def post_message(call: Call) -> dict[str, Any]:
    """chat.postMessage: a repeated `client_msg_id` gives the first message again, where that is honoured."""
    channel, place = call.channel()
    client_id = call.text("client_msg_id") or None
    honoured = client_id if call.options.honour_client_msg_id else None
    if honoured and honoured in place.by_client_id:
        return _posted(channel, place.by_client_id[honoured])
    content = read_content(call.arguments)
    if honoured:
        content.extra["client_msg_id"] = honoured
    message = call.workspaces.post(
        call.app.team,
        channel,
        call.app.bot_user,
        content,
        bot=call.app.bot,
        thread_ts=call.text("thread_ts") or None,
        client_msg_id=client_id,
    )
    if honoured:
        place.by_client_id[honoured] = message
    return _posted(channel, message)


def _posted(channel: str, message: Message) -> dict[str, Any]:
    return {"channel": channel, "ts": message.ts, "message": message.to_json(metadata=True)}


def update(call: Call) -> dict[str, Any]:
    """chat.update: only the app's own messages, a text of at most 4,000 escaped bytes; unnamed blocks stay."""
    channel, message = call.own_message("cant_update_message")
    if is_open(call, message):
        raise Refused("streaming_state_conflict")
    content = read_content(call.arguments)
    if not isinstance(call.arguments.get("markdown_text"), str):
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
    channel, message = call.own_message("cant_delete_message")
    call.workspaces.delete(call.app.team, channel, message)
    return {"channel": channel, "ts": message.ts}


def post_ephemeral(call: Call) -> dict[str, Any]:
    """chat.postEphemeral: only one user sees it, and nobody finds it again."""
    channel, _ = call.channel()
    user, content = call.user(), read_content(call.arguments)
    thread_ts = call.text("thread_ts") or None
    return {"message_ts": call.workspaces.whisper(call.app, channel, user, content, thread_ts)}


def get_permalink(call: Call) -> dict[str, Any]:
    """chat.getPermalink: a link that people can open."""
    channel, message = call.message("message_ts")
    link = f"https://{call.app.tenant}.slack.com/archives/{channel}/p{message.ts.replace('.', '')}"
    thread = f"?thread_ts={message.thread_ts}&cid={channel}" if message.thread_ts else ""
    return {"channel": channel, "permalink": link + thread}

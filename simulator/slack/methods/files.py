"""files.…: asking about a file, and uploading one in three steps."""

from typing import Any

import orjson

from simulator.slack.arguments import number_of
from simulator.slack.blocks import check_blocks
from simulator.slack.message import Content
from simulator.slack.methods.call import CHANNEL_ID, Call
from simulator.slack.refusal import Refused


def describe(call: Call) -> dict[str, Any]:
    """files.info: all fields, also of a file of which an event named only the id."""
    file = call.world.files.find(call.text("file"))
    return {"file": call.world.files.details(file), "comments": []}


def get_upload_url(call: Call) -> dict[str, Any]:
    """files.getUploadURLExternal: where to send how many bytes."""
    name, size = call.text("filename"), number_of(call.arguments, "length", 0)
    if not name or size <= 0:
        raise Refused("invalid_arguments")
    kind = "image/png" if name.endswith(".png") else "application/octet-stream"
    file = call.world.files.add(call.app.team, call.app.bot_user, name, kind, None, size=size)
    return {"upload_url": call.world.files.upload_url(file), "file_id": file.id}


def complete_upload(call: Call) -> dict[str, Any]:
    """files.completeUploadExternal: the uploaded files become visible, with a comment, in a channel or thread."""
    wanted = call.arguments.get("files") or []
    named = orjson.loads(wanted) if isinstance(wanted, str) else wanted
    files = [(call.world.files.find(str(item["id"])), item.get("title")) for item in named]
    if not files or any(file.content is None or file.team != call.app.team for file, _ in files):
        raise Refused("file_not_found")
    for file, title in files:
        file.title = title or file.title
    shown = [call.world.files.details(file) for file, _ in files]
    for channel in filter(None, (call.text("channel_id") or call.text("channels")).split(",")):
        if not CHANNEL_ID.match(channel):
            raise Refused("channel_not_found")
        extra: dict[str, Any] = {"files": shown, "upload": True}
        if call.arguments.get("blocks"):
            extra["blocks"] = check_blocks(call.arguments["blocks"])
        call.workspaces.post(
            call.app.team,
            channel,
            call.app.bot_user,
            Content(call.text("initial_comment"), extra),
            bot=call.app.bot,
            thread_ts=call.text("thread_ts") or None,
        )
    return {"files": shown}

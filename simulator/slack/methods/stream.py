"""chat.startStream, chat.appendStream and chat.stopStream: an answer that grows in one message."""

from typing import Any

from simulator.slack.blocks import MAX_MARKDOWN_CHARS, check_blocks
from simulator.slack.content import markdown_of, metadata_of
from simulator.slack.message import Content, Message, Stream
from simulator.slack.methods.call import Call
from simulator.slack.refusal import Refused

TASK_STATUSES = ("pending", "in_progress", "complete", "error")
DISPLAY_MODES = ("timeline", "plan", "dense")
TASK_FIELDS = ("title", "status", "details", "output", "sources")


def start(call: Call) -> dict[str, Any]:
    """chat.startStream: a reply in a thread; outside direct messages it must name who it is for."""
    _check_offered(call)
    channel, _ = call.channel()
    thread_ts = call.text("thread_ts")
    if not thread_ts or (call.text("task_display_mode") or "timeline") not in DISPLAY_MODES:
        raise Refused("invalid_arguments")
    if not channel.startswith("D"):
        for name in ("recipient_team_id", "recipient_user_id"):
            if not call.text(name):
                raise Refused(f"missing_{name}")
    stream = Stream(call.workspaces.clock.now() + call.options.stream_seconds)
    text, blocks = _read(call, stream)
    extra = {"blocks": blocks} if blocks else {}
    message = call.workspaces.post(
        call.app.team,
        channel,
        call.app.bot_user,
        Content(text, extra),
        bot=call.app.bot,
        thread_ts=thread_ts,
        stream=stream,
    )
    return {"channel": channel, "ts": message.ts}


def append(call: Call) -> dict[str, Any]:
    """chat.appendStream: more of it, in the mode in which it began."""
    channel, message, stream = _streaming(call)
    if markdown_of(call.arguments) is None and not call.arguments.get("chunks"):
        raise Refused("no_text")
    _grow(message, *_read(call, stream))
    call.workspaces.append(call.app.team, channel, message)
    return {"channel": channel, "ts": message.ts}


def stop(call: Call) -> dict[str, Any]:
    """chat.stopStream: the last of it, and blocks below it; then it is a message like others."""
    channel, message, stream = _streaming(call)
    blocks = check_blocks(call.arguments.get("blocks") or [])
    metadata = {"metadata": metadata_of(call.arguments)} if call.arguments.get("metadata") else {}
    text, more = _read(call, stream)
    _grow(message, text, [*more, *blocks])
    message.extra |= metadata
    stream.open = False
    call.workspaces.append(call.app.team, channel, message)
    return {"channel": channel, "ts": message.ts, "message": message.to_json(metadata=True)}


def is_open(call: Call, message: Message) -> bool:
    """Tell whether the message still streams; Slack ends a stream by itself after a while."""
    stream = message.stream
    if stream is None:
        return False
    if stream.until <= call.workspaces.clock.now():
        stream.open = False
    return stream.open


def _check_offered(call: Call) -> None:
    if not call.options.streaming:
        raise Refused("unknown_method")


def _streaming(call: Call) -> tuple[str, Message, Stream]:
    _check_offered(call)
    channel, message = call.own_message("message_not_owned_by_app")
    if message.stream is not None and message.stream.stopped_by_user:
        raise Refused("stopped_by_user")
    if message.stream is None or not is_open(call, message):
        raise Refused("message_not_in_streaming_state")
    return channel, message, message.stream


def _read(call: Call, stream: Stream) -> tuple[str, list[dict[str, Any]]]:
    """Return the text and blocks that the call adds; task cards go into the stream. Raises Refused."""
    markdown, chunks = markdown_of(call.arguments), call.arguments.get("chunks") or []
    if markdown and chunks:
        raise Refused("invalid_arguments")
    if not markdown and not chunks:
        return "", []
    if stream.mode == ("chunks" if markdown else "markdown_text"):
        raise Refused("streaming_mode_mismatch")
    stream.mode = "markdown_text" if markdown else "chunks"
    if markdown:
        return markdown, []
    added = _checked(chunks)
    for chunk in added:
        if chunk["type"] in ("task_update", "plan_update"):
            _place_card(stream, chunk)
    text = "".join(chunk["text"] for chunk in added if chunk["type"] == "markdown_text")
    return text, [block for chunk in added if chunk["type"] == "blocks" for block in chunk["blocks"]]


def _checked(chunks: Any) -> list[dict[str, Any]]:
    if not isinstance(chunks, list):
        raise Refused("invalid_chunks")
    for chunk in chunks:
        kind = chunk.get("type") if isinstance(chunk, dict) else None
        if kind == "markdown_text":
            if not isinstance(chunk.get("text"), str):
                raise Refused("invalid_chunks")
            if len(chunk["text"]) > MAX_MARKDOWN_CHARS:
                raise Refused("msg_too_long")
        elif kind == "task_update":
            if not chunk.get("id") or chunk.get("status") not in TASK_STATUSES:
                raise Refused("invalid_chunks")
        elif kind == "blocks":
            check_blocks(chunk.get("blocks"))
        elif kind != "plan_update" or not isinstance(chunk.get("title"), str):
            raise Refused("invalid_chunks")
    return chunks


def _place_card(stream: Stream, chunk: dict[str, Any]) -> None:
    if chunk["type"] == "plan_update":
        stream.cards["plan"] = {"type": "plan", "title": chunk["title"]}
        return
    card = stream.cards.setdefault(f"task:{chunk['id']}", {"type": "task_card", "task_id": chunk["id"]})
    card |= {name: chunk[name] for name in TASK_FIELDS if name in chunk}


def _grow(message: Message, text: str, blocks: list[dict[str, Any]]) -> None:
    message.text += text
    if blocks:
        message.extra["blocks"] = check_blocks([*message.extra.get("blocks", []), *blocks])

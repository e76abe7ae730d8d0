"""Slack's `message` and `app_mention` events in all their shapes: https://docs.slack.dev/reference/events/message."""

from typing import Any

from konstruct.channels.slack.fields import MAX_TEXT_CHARS, identifier, listed, mapping, named, plain
from konstruct.channels.slack.files import attachments
from konstruct.channels.slack.records import Ignored, Message, Source, Unreadable

# Subtypes that are a person's own words; every other one is Slack's or a program's.
_SPOKEN = (None, "file_share", "thread_broadcast", "me_message")


def message(source: Source, event: dict[str, Any]) -> Message | Ignored | Unreadable:
    """A message that was said, changed or deleted."""
    subtype = event.get("subtype")
    if subtype == "message_changed":
        return _changed(source, event)
    if subtype == "message_deleted":
        return _deleted(source, event, event.get("previous_message"), event.get("deleted_ts"))
    if subtype not in _SPOKEN or event.get("hidden"):
        return Ignored(source, f"message subtype {named(subtype)}")
    return _spoken(source, event, event)


def _changed(source: Source, event: dict[str, Any]) -> Message | Ignored | Unreadable:
    now, before = mapping(event.get("message")), mapping(event.get("previous_message"))
    if now.get("subtype") == "tombstone":
        # The root of a thread stays as a tombstone while others' replies hang on it.
        return _deleted(source, event, before or now, now.get("ts"))
    if now.get("subtype") not in _SPOKEN:
        return Ignored(source, f"a changed message of subtype {named(now.get('subtype'))}")
    edited = identifier(mapping(now.get("edited")).get("ts"))
    if not edited or plain(now.get("text")) == plain(before.get("text")):
        # Link previews, reply counts and pins arrive as changes, too.
        return Ignored(source, "a change that leaves the text as it was")
    # `edited` counts whole seconds, in which one may edit twice. What it was before tells that this is one more change.
    change = identifier(event.get("event_ts")) if before else ""
    return _spoken(source, event, now, kind="edit", change=change or edited)


def _deleted(source: Source, event: dict[str, Any], before: Any, ts: Any) -> Message | Ignored | Unreadable:
    gone = mapping(before)
    channel, stamp = identifier(event.get("channel")), identifier(ts)
    if before is None and channel and stamp:
        # Slack need not say what it was: who said it, and in which thread, is known only where it was heard.
        direct = event.get("channel_type") == "im" or channel.startswith("D")
        return Message(source, channel, direct, "", stamp, "", "", "", kind="delete", change="deleted")
    if not gone or gone.get("subtype") not in _SPOKEN:
        return Ignored(source, "a deletion of what nobody said")
    return _spoken(source, event, gone | {"ts": ts, "text": "", "files": None}, kind="delete", change="deleted")


def _spoken(
    source: Source, event: dict[str, Any], said: dict[str, Any], **change: Any
) -> Message | Ignored | Unreadable:
    if _by_program(said):
        return Ignored(source, "written by a bot")
    channel, user, ts = identifier(event.get("channel")), identifier(said.get("user")), identifier(said.get("ts"))
    if not (channel and user and ts):
        return Unreadable(source, "a message without channel, user or ts")
    text, files = _text(said), attachments(said)
    if not (text or files or change):
        return Ignored(source, "a message without text and files")
    return Message(
        source, channel, event.get("channel_type") == "im" or channel.startswith("D"),
        identifier(said.get("thread_ts")), ts, user, sender_team(said), text, files,
        event.get("type") == "app_mention", **change,
    )  # fmt: skip


def sender_team(said: dict[str, Any]) -> str:
    """The workspace of the person; "" where Slack does not say."""
    return identifier(said.get("user_team")) or identifier(said.get("source_team")) or identifier(said.get("team"))


def _by_program(said: dict[str, Any]) -> bool:
    user = said.get("user")
    return bool(
        said.get("bot_id") or said.get("bot_profile") or said.get("app_id")
        or (isinstance(user, str) and user.startswith("USLACK"))
    )  # fmt: skip


def _text(said: dict[str, Any]) -> str:
    text = plain(said.get("text")).strip()
    if said.get("attachments"):
        # A forwarded message: what matters stands in what is forwarded.
        shared = [plain(part.get("text")) for part in listed(said["attachments"]) if part.get("is_share")]
        text = "\n".join([text, *(f"> {part}" for part in shared if part)])[:MAX_TEXT_CHARS].strip()
    return text

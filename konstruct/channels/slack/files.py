"""Files that come with a message: https://docs.slack.dev/reference/objects/file-object."""

from typing import Any

from konstruct.channels.slack.fields import identifier, listed, plain
from konstruct.messages import Attachment, Medium

MAX_FILES = 20
MAX_NAME_CHARS = 200
MAX_URL_CHARS = 2000
_KINDS: dict[str, Medium] = {"image": "image", "audio": "audio", "video": "video"}
# What is not there any more, or never was.
_GONE = ("tombstone", "hidden_by_limit")


def attachments(event: dict[str, Any]) -> tuple[Attachment, ...]:
    """The event's files; what Slack has deleted or hides is left out."""
    found = event.get("files")
    if not found:
        return ()
    return tuple(
        _attachment(file, reference)
        for file in listed(found)[:MAX_FILES]
        if file.get("mode") not in _GONE and (reference := _reference(file))
    )


def _reference(file: dict[str, Any]) -> str:
    # In Slack Connect only the id may come; the URL has to be asked for (file_access: check_file_info).
    url = plain(file.get("url_private_download")) or plain(file.get("url_private"))
    return url if url and len(url) <= MAX_URL_CHARS else identifier(file.get("id"))


def _attachment(file: dict[str, Any], reference: str) -> Attachment:
    media_type = plain(file.get("mimetype"))[:MAX_NAME_CHARS] or "application/octet-stream"
    # A clip recorded in Slack is an MP4 container even where it holds nothing but a voice.
    voice = file.get("subtype") == "slack_audio"
    size = file.get("size")
    return Attachment(
        kind="audio" if voice else _KINDS.get(media_type.partition("/")[0], "document"),
        name=(plain(file.get("name")) or plain(file.get("title")) or "file")[:MAX_NAME_CHARS],
        media_type=media_type,
        reference=reference,
        size=size if isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**53 else None,
        voice=voice,
    )

"""History and threads, in pages as Slack returns them."""

from base64 import b64decode, b64encode
from typing import Any

from simulator.slack.arguments import is_true, number_of, text_of
from simulator.slack.message import Message, between
from simulator.slack.refusal import Refused
from simulator.slack.workspace import Channel

DEFAULT_PAGE = 100
LARGEST_PAGE = 999


def history(place: Channel, arguments: dict[str, Any], *, metadata: bool) -> dict[str, Any]:
    """Return a page of the channel, newest first."""
    return _page(_wanted(place.top_level, arguments)[::-1], arguments, metadata=metadata)


def replies(place: Channel, arguments: dict[str, Any], *, metadata: bool) -> dict[str, Any]:
    """Return a page of the thread, oldest first; raises Refused where there is no such thread."""
    thread = place.thread(text_of(arguments, "ts"))
    if not thread:
        raise Refused("thread_not_found")
    return _page(_wanted(thread, arguments), arguments, metadata=metadata)


def _wanted(messages: list[Message], arguments: dict[str, Any]) -> list[Message]:
    oldest, latest = text_of(arguments, "oldest"), text_of(arguments, "latest")
    try:
        return between(messages, oldest, latest, inclusive=is_true(arguments, "inclusive"))
    except ValueError:
        raise Refused("invalid_ts_oldest" if oldest else "invalid_ts_latest") from None


def _page(messages: list[Message], arguments: dict[str, Any], *, metadata: bool) -> dict[str, Any]:
    limit = min(number_of(arguments, "limit", DEFAULT_PAGE), LARGEST_PAGE)
    start = _position(text_of(arguments, "cursor"))
    page = messages[start : start + limit]
    more = start + limit < len(messages)
    answer: dict[str, Any] = {
        "messages": [message.to_json(metadata=metadata) for message in page],
        "has_more": more,
    }
    if more:
        answer["response_metadata"] = {"next_cursor": b64encode(b"next:%d" % (start + limit)).decode()}
    return answer


def _position(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        return int(b64decode(cursor, validate=True).removeprefix(b"next:"))
    except ValueError:
        raise Refused("invalid_cursor") from None

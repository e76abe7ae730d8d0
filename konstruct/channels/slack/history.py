"""Is a reply visible already? Read from a channel's or thread's latest messages."""

from collections.abc import Iterable
from typing import Any

from konstruct.messages import Reply, Sighting

METADATA_TYPE = "konstruct_reply"
# Slack's clock and ours.
CLOCK_SECONDS = 60.0
# A turn that a successor repeats may answer a message that is newer than what its predecessor began to say.
REPEATED_TURN_SECONDS = 600.0


def metadata(reply: Reply, *, partial: bool) -> dict[str, Any]:
    """What tells our message apart from all others."""
    payload = {"reply": str(reply.id), "turn": str(reply.turn), "part": reply.part, "final": not partial}
    return {"event_type": METADATA_TYPE, "event_payload": payload}


def file_name(reply: Reply) -> str:
    """The name under which a reply is sent as a file: a file carries no metadata."""
    return f"answer-{reply.id}.md"


def since(reply: Reply, begun: float | None) -> float:
    """Unix seconds before which the reply cannot have been sent, 0 if not known; `begun`: our first try."""
    if reply.created_at or begun:
        return max(begun or 0.0, reply.created_at.timestamp() if reply.created_at else 0.0) - CLOCK_SECONDS
    try:
        return float(reply.source_id) - REPEATED_TURN_SECONDS
    except ValueError:
        return 0.0


def sighting(messages: Iterable[dict[str, Any]], reply: Reply, account: str, after: float) -> Sighting | None:
    """The reply among these messages, whole if it is whole in one of them; not the message that it is known by already.

    A stream carries no metadata before its end. So our own newest message in this thread is this reply if it came
    `after` that and carries no metadata: a conversation answers one turn after the other.
    """
    newest: tuple[float, dict[str, Any]] = (0.0, {})
    begun = None
    for message in messages:
        if message["ts"] == reply.external_id:
            continue
        payload = _payload(message)
        if payload.get("reply") == str(reply.id):
            begun = Sighting(str(message["ts"]), not payload.get("final", True))
            if not begun.partial:
                return begun
        if any(file_name(reply) in (file.get("name"), file.get("title")) for file in message.get("files") or ()):
            return Sighting(str(message["ts"]), partial=False)
        if message.get("bot_id") and message.get("user") == account:
            newest = max(newest, (float(message["ts"]), message), key=lambda found: found[0])
    if begun:
        return begun
    ts, last = newest
    streams = reply.address.thread and not reply.part and not last.get("metadata") and not last.get("files")
    return Sighting(str(last["ts"]), partial=True) if last and streams and ts > after else None


def _payload(message: dict[str, Any]) -> dict[str, Any]:
    seen = message.get("metadata") or {}
    return seen.get("event_payload") or {} if seen.get("event_type") == METADATA_TYPE else {}

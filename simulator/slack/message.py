"""One message: what it says, how Slack renders it, and its timestamp, which is also its id."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any, Literal

from simulator.slack.blocks import text_of_blocks


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says: its text, and further fields such as blocks and metadata."""

    text: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Stream:
    """How a message is streamed; `mode` is fixed by the first content. Task cards are told apart by their id."""

    until: float
    mode: Literal["markdown_text", "chunks"] | None = None
    open: bool = True
    stopped_by_user: bool = False
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Message:
    """A message as it reads now. `micros`: its ts as a whole number of microseconds."""

    micros: int
    ts: str
    thread_ts: str | None
    user: str
    bot: str | None
    text: str
    extra: dict[str, Any] = field(default_factory=dict)
    edits: int = 0
    deleted: bool = False
    stream: Stream | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """What a person reads: the blocks, where there are any, else the text; both in a streamed message."""
        read = text_of_blocks(self.extra.get("blocks", ()))
        return "\n".join(filter(None, (self.text, read))) if self.stream else read or self.text

    def to_json(self, *, metadata: bool = False) -> dict[str, Any]:
        """Return Slack's rendering; metadata only where the caller asked for it, as Slack does."""
        shown = {"type": "message", "user": self.user, "ts": self.ts, "text": self.text, **self.extra}
        if not metadata:
            shown.pop("metadata", None)
        if self.bot is not None:
            shown["bot_id"] = self.bot
        if self.thread_ts is not None:
            shown["thread_ts"] = self.thread_ts
        if self.edits:
            shown["edited"] = {"user": self.user, "ts": self.ts}
        if self.stream is not None:
            shown["streaming_state"] = "in_progress" if self.stream.open else "completed"
        if self.reactions:
            shown["reactions"] = [
                {"name": name, "users": users, "count": len(users)} for name, users in self.reactions.items()
            ]
        return shown


def between(messages: list[Message], oldest: str, latest: str, *, inclusive: bool) -> list[Message]:
    """Return those with oldest < ts < latest (Slack's strings, "" = no limit), deleted ones left out."""
    low = bisect_left if inclusive else bisect_right
    high = bisect_right if inclusive else bisect_left
    start = low(messages, to_micros(oldest), key=_micros) if oldest else 0
    end = high(messages, to_micros(latest), key=_micros) if latest else len(messages)
    return [message for message in messages[start:end] if not message.deleted]


def to_micros(ts: str) -> int:
    """Parse "1700000000.000100" exactly; raises ValueError for anything else."""
    seconds, _, fraction = ts.partition(".")
    return int(seconds) * 1_000_000 + int(f"{fraction:0<6.6}")


def to_ts(micros: int) -> str:
    """Write it as Slack does."""
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def _micros(message: Message) -> int:
    return message.micros

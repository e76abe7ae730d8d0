"""What a callback of Slack turns out to be: frozen, and safe to store."""

from dataclasses import dataclass
from typing import Literal

from konstruct.messages import Attachment


@dataclass(frozen=True, slots=True)
class Source:
    """Which installation of which app a callback is for; `enterprise` only where a whole organisation installed it."""

    app: str
    team: str
    enterprise: str = ""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Slack checks the URL: answer with this value."""

    source: Source
    challenge: str


@dataclass(frozen=True, slots=True)
class Message:
    """A person said, changed or took back something where the app can read it."""

    source: Source
    channel: str
    direct: bool  # a direct message: only the person reads along
    thread: str  # the thread's root, "" where the message stands in none
    ts: str
    user: str
    user_team: str  # the person's own workspace; in Slack Connect not the one of the installation
    text: str
    files: tuple[Attachment, ...] = ()
    mentioned: bool = False  # Slack itself says that the app is mentioned
    kind: Literal["message", "edit", "delete"] = "message"
    change: str = ""  # what tells this change of the message `ts` from its other changes


@dataclass(frozen=True, slots=True)
class Reaction:
    """A person put an emoji on a message, or took it away again."""

    source: Source
    channel: str
    ts: str
    user: str
    user_team: str
    name: str
    removed: bool
    at: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A person opened the direct messages or the home tab of the app."""

    source: Source
    user: str
    channel: str
    tab: Literal["messages", "home"]


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The app was uninstalled, or its tokens were revoked: `accounts` are the bot users concerned, none = all."""

    source: Source
    at: float  # Unix seconds, by Slack's clock
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limited:
    """Slack drops what is said in this workspace for a minute: more events came than it delivers to one app."""

    source: Source


@dataclass(frozen=True, slots=True)
class Ignored:
    """A well-formed event that asks for nothing: `reason` says why."""

    source: Source
    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Not a callback as Slack documents it."""

    source: Source
    reason: str


Event = Challenge | Message | Reaction | Opened | Disconnected | Limited | Ignored | Unreadable

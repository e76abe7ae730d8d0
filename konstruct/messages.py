"""The frozen records that cross borders: process to process, and core to database."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Role = Literal["contact", "employee", "operator"]
# message: wants an answer. aside: said where the employee listens, but not to it. edit, delete, reaction: about the
# message `target`. operator: a human spoke for the business. unsupported: `text` says what cannot be read.
Kind = Literal["message", "aside", "edit", "delete", "reaction", "operator", "unsupported"]
# Of a row that the web chat shows; status: what the employee is doing, for as long as it does it.
WebRole = Literal["contact", "employee", "status"]
Medium = Literal["image", "document", "audio", "video", "sticker"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message: how to fetch it, never its bytes."""

    kind: Medium
    name: str
    media_type: str
    reference: str  # what the channel needs to fetch it: a URL or a media id
    size: int | None = None  # bytes, as announced
    sha256: str = ""  # hex, as announced
    voice: bool = False  # recorded in the chat, not a file that was chosen


@dataclass(frozen=True, slots=True)
class Address:
    """Where a conversation is held, in the channel's own words; `private` where only the contact reads along."""

    team: str
    channel: str
    thread: str | None = None
    private: bool = False
    recipient: str = ""  # who is answered there: Slack's user id, or `team/user` of another workspace
    open_until: float | None = None  # Unix seconds; later the channel takes no free text (WhatsApp: 24 hours)
    response_url: str = ""  # of a Slack command: for half an hour it is answered there also by who is no member


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message as a channel delivered it, with tenant and conversation found."""

    tenant: UUID
    channel: str
    event: str
    conversation: UUID
    shard: int
    address: Address
    contact: str
    text: str
    source_id: str
    kind: Kind = "message"
    target: str = ""  # the source_id of the message that an edit, delete or reaction is about
    attachments: tuple[Attachment, ...] = ()
    only_known: bool = False  # to be stored only if the conversation is known already
    said_at: float | None = None  # Unix seconds, by the channel's clock, where it tells and may deliver late
    request: str = ""  # id of the request that brought it, for the log: the intake fills it in


@dataclass(frozen=True, slots=True)
class Heard:
    """An inbox row: a message that is durable and waits for its turn."""

    id: int
    tenant: UUID
    conversation: UUID
    shard: int
    epoch: int
    attempts: int
    channel: str
    address: Address
    contact: str
    text: str
    source_id: str
    kind: Kind = "message"
    target: str = ""
    attachments: tuple[Attachment, ...] = ()
    files: tuple[str, ...] = ()  # digests of what was kept of its attachments, once they were read
    request: str = ""  # id of the webhook request that brought it, for the log


def requests_of(messages: Iterable[Heard]) -> str:
    """Ids of the requests that brought these, as the log names them."""
    return " ".join(dict.fromkeys(message.request for message in messages if message.request))


@dataclass(frozen=True, slots=True)
class Spoken:
    """One entry of the window: something that was said, in the conversation's turn number `turn`."""

    role: Role
    text: str
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """An outbox row: what the employee says, under an id that never changes."""

    id: UUID
    tenant: UUID
    conversation: UUID
    turn: UUID
    part: int
    text: str
    channel: str
    address: Address
    external_id: str | None = None
    created_at: datetime | None = None
    source_id: str = ""  # the message that is answered
    last: bool = True  # whether no further part of the answer follows


@dataclass(frozen=True, slots=True)
class Sighting:
    """A reply found in its channel. `partial`: it was posted before the answer was complete."""

    external_id: str
    partial: bool


@dataclass(frozen=True, slots=True)
class Ownership:
    """A conversation, under the epoch in which a host owns it; what waits since before `calm_epoch` met a crash."""

    tenant: UUID
    conversation: UUID
    shard: int
    epoch: int
    calm_epoch: int

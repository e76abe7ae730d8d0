"""The frozen records that cross borders: process to process, and core to database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Role = Literal["contact", "employee"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a conversation is held, in the channel's own words; `private` where only the contact reads along."""

    team: str
    channel: str
    thread: str | None = None
    private: bool = False


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


@dataclass(frozen=True, slots=True)
class Sighting:
    """A reply found in its channel. `partial`: it was posted before the answer was complete."""

    external_id: str
    partial: bool


@dataclass(frozen=True, slots=True)
class Ownership:
    """A conversation, under the epoch in which a host owns it."""

    tenant: UUID
    conversation: UUID
    shard: int
    epoch: int

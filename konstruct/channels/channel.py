"""What a channel must be able to do, and what it is opened with."""

from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from konstruct.messages import Address, Attachment, Reply, Sighting, WebRole


class Feed(Protocol):
    """Where the web chat keeps what is visible. Raises KonstructError."""

    async def say(self, tenant: UUID, conversation: UUID, id_: UUID, role: WebRole, text: str, *, final: bool) -> None:
        """Upsert by id."""
        ...

    async def seen(self, tenant: UUID, conversation: UUID, id_: UUID) -> bool | None:
        """Whether it is final; None if it is not there."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """What a channel is opened with: one tenant's connection to it, and what all connections share."""

    tenant: UUID
    team: str
    account: str
    secrets: dict[str, str] = field(repr=False)
    options: dict[str, Any]
    api_url: str
    session: Any  # aiohttp.ClientSession of the process
    feed: Feed | None = None  # what the web chat writes to, the one channel that has no vendor


class Channel(Protocol):
    """One tenant's connection to a channel. Raises ChannelBusy, ChannelRefused or ChannelOutcomeUnknown."""

    # Whether an answer may become visible before it is whole.
    grows: bool
    # How long a shown status lasts before it must be shown again, in seconds.
    status_seconds: float
    # Whether showing a status also says that the message was read: it is shown at once then, before any answer.
    marks_read: bool
    # After a send whose outcome is unknown: the channel itself tells us of it, mostly within so many seconds, rarely
    # within so many more. Empty = never.
    reconciles_seconds: tuple[float, ...]

    def split(self, text: str) -> list[str]:
        """Parts that fit into one message each, also when it is edited."""
        ...

    def reacts(self, text: str) -> bool:
        """Whether an answer may become a reaction: unlike a message, it leaves a status where it is."""
        ...

    async def send(self, reply: Reply, text: str, *, partial: bool = False) -> str:
        """Make the reply visible under its id; answers the platform's message id. `partial`: edits will follow."""
        ...

    async def edit(self, reply: Reply, external_id: str, text: str, *, partial: bool = False) -> None:
        """Replace the visible text of a reply. `partial`: the text so far, which only grows.

        An empty text leaves what is visible as it is: it is not wanted any more, and does not grow any more.
        """
        ...

    async def find(self, reply: Reply) -> Sighting | None:
        """The reply if it is visible already, found by our id in the channel's history."""
        ...

    async def show_status(self, address: Address, source_id: str, status: str) -> None:
        """Show that the employee is at work; an empty status clears it."""
        ...

    async def fetch(self, attachment: Attachment, *, limit: int) -> bytes:
        """The file's bytes, at most `limit` of them; raises ChannelRefused where it is larger or not to be had."""
        ...

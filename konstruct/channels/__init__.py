"""Channels: one folder each, understandable alone. What a channel must be able to do, and the list of all of them."""

from collections.abc import Callable
from typing import Any, Protocol

from konstruct.channels.slack import SlackChannel
from konstruct.messages import Address, Reply, Sighting


class Channel(Protocol):
    """One tenant's connection to a channel. Raises ChannelBusy, ChannelRefused or ChannelOutcomeUnknown."""

    def split(self, text: str) -> list[str]:
        """Parts that fit into one message each, also when it is edited."""
        ...

    async def send(self, reply: Reply, text: str, *, partial: bool = False) -> str:
        """Make the reply visible under its id; answers the platform's message id. `partial`: edits will follow."""
        ...

    async def edit(self, reply: Reply, external_id: str, text: str, *, partial: bool = False) -> None:
        """Replace the visible text of a reply."""
        ...

    async def find(self, reply: Reply) -> Sighting | None:
        """The reply if it is visible already, found by our id in the channel's history."""
        ...

    async def show_status(self, address: Address, source_id: str, status: str) -> None:
        """Show that the employee is at work; an empty status clears it."""
        ...


# kind -> constructor(secrets, api_url, http session)
CHANNELS: dict[str, Callable[[dict[str, str], str, Any], Channel]] = {"slack": SlackChannel}

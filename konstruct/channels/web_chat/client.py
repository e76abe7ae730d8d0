"""The web chat's side of the channel seam: replies become rows that open pages follow."""

from collections.abc import Awaitable
from typing import TypeVar
from uuid import UUID

from konstruct.channels.channel import Feed, Line
from konstruct.errors import ChannelOutcomeUnknown, ChannelRefused, KonstructError
from konstruct.identity import conversation_id
from konstruct.messages import Address, Attachment, Reply, Sighting

T = TypeVar("T")


class WebChatChannel:
    """One site's chat. Everything is an upsert under the reply's id, so that any repetition is harmless."""

    grows = True
    status_seconds = 20.0
    marks_read = False
    reconciles_seconds: tuple[float, ...] = ()

    def __init__(self, line: Line) -> None:
        """`line.feed` keeps what is visible."""
        if line.feed is None:
            raise ChannelRefused("The web chat needs a feed.")
        self._tenant = line.tenant
        self._feed: Feed = line.feed

    def split(self, text: str) -> list[str]:
        """One part: a page has room."""
        return [text]

    def reacts(self, text: str) -> bool:  # noqa: ARG002
        """The page knows messages only."""
        return False

    async def send(self, reply: Reply, text: str, *, partial: bool = False) -> str:
        """See Channel.send."""
        place = conversation(self._tenant, reply.address)
        await _known(self._feed.say(self._tenant, place, reply.id, "employee", text, final=not partial))
        return str(reply.id)

    async def edit(self, reply: Reply, external_id: str, text: str, *, partial: bool = False) -> None:
        """The same row again; `external_id` is the reply's own."""
        del external_id
        await self.send(reply, text, partial=partial)

    async def find(self, reply: Reply) -> Sighting | None:
        """The row, if there is one."""
        final = await _known(self._feed.seen(self._tenant, conversation(self._tenant, reply.address), reply.id))
        return None if final is None else Sighting(str(reply.id), partial=not final)

    async def show_status(self, address: Address, source_id: str, status: str) -> None:
        """One row per conversation, under the conversation's own id."""
        del source_id
        place = conversation(self._tenant, address)
        await _known(self._feed.say(self._tenant, place, place, "status", status, final=False))

    async def fetch(self, attachment: Attachment, *, limit: int) -> bytes:
        """No file comes through the page."""
        raise ChannelRefused(f"{attachment.name}: the web chat takes no files, not even under {limit} bytes.")


def conversation(tenant: UUID, address: Address) -> UUID:
    """A visitor of a site has one conversation. `address`: team = site, channel = visitor."""
    return conversation_id(tenant, "web", f"{address.team}:{address.channel}")


async def _known(asked: Awaitable[T]) -> T:
    try:
        return await asked
    except KonstructError as error:
        raise ChannelOutcomeUnknown(f"The web chat's feed failed: {error}") from error

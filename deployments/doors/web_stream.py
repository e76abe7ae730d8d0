"""The stream that an open page follows: rows of the feed as server-sent events, by number, so that none is missed."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import orjson

from konstruct.choices import split_choices
from konstruct.database.web_messages import WebMessage, WebMessages
from konstruct.errors import KonstructError

# A page comes back by itself; until then a replica that wants to stop waits for it.
STREAM_SECONDS = 55.0
HEARTBEAT_SECONDS = 15.0
LIVELY_EVERY_SECONDS = 0.3
QUIET_EVERY_SECONDS = 2.0
LIVELY_FOR_SECONDS = 60.0
# Each counts as a request that is under way: webhooks need room beside them.
MAX_STREAMS = 400
# No site's visitors take the room of all others'.
MAX_STREAMS_PER_TENANT = 200
MAX_STREAMS_PER_VISITOR = 6


class WebStreams:
    """Streams of this replica. PostgreSQL is asked often while something happens, seldom otherwise."""

    def __init__(self, messages: WebMessages) -> None:
        """`messages`: what is followed."""
        self._messages = messages
        self._open: Counter[UUID] = Counter()
        self._tenants: Counter[UUID] = Counter()
        self._stirred: dict[UUID, float] = {}

    def room(self, tenant: UUID, place: UUID) -> bool:
        """Whether one more stream may begin."""
        return (
            self._open.total() < MAX_STREAMS
            and self._tenants[tenant] < MAX_STREAMS_PER_TENANT
            and self._open[place] < MAX_STREAMS_PER_VISITOR
        )

    def stir(self, place: UUID) -> None:
        """Something was said there: look often from now on."""
        if place in self._open:
            self._stirred[place] = time.monotonic()

    async def follow(self, tenant: UUID, place: UUID, after: int) -> AsyncIterator[bytes]:
        """Events after number `after`, until it is time to come back."""
        self._open[place] += 1
        self._tenants[tenant] += 1
        begun = beat = self._stirred[place] = time.monotonic()
        try:
            yield b"retry: 1000\n\n"
            async for rows in self._changes(tenant, place, after):
                now = time.monotonic()
                if rows:
                    yield b"".join(map(_event, filter(_shown, rows)))
                elif now - beat > HEARTBEAT_SECONDS:
                    yield b": still here\n\n"
                beat = now if rows or now - beat > HEARTBEAT_SECONDS else beat
                if now - begun > STREAM_SECONDS:
                    return
        except KonstructError:
            return  # the page comes back, and says so meanwhile
        finally:
            self._tenants[tenant] -= 1
            self._open[place] -= 1
            if self._open[place] <= 0:
                del self._open[place]
                self._stirred.pop(place, None)

    async def _changes(self, tenant: UUID, place: UUID, after: int) -> AsyncIterator[list[WebMessage]]:
        while True:
            asked = time.monotonic()
            rows = await self._messages.since(tenant, place, after)
            if rows:
                after = rows[-1].seq
                self.stir(place)
            yield rows
            await self._pause(place, asked)

    async def _pause(self, place: UUID, asked: float) -> None:
        while True:
            await asyncio.sleep(LIVELY_EVERY_SECONDS)
            now = time.monotonic()
            if now - asked >= QUIET_EVERY_SECONDS or now - self._stirred.get(place, 0.0) < LIVELY_FOR_SECONDS:
                return


def _shown(row: WebMessage) -> bool:
    """What a contact says is shown when it is durable, and not before."""
    return row.final or row.role != "contact"


def _event(row: WebMessage) -> bytes:
    text, choices = split_choices(row.text) if row.role == "employee" else (row.text, ())
    if not row.final and row.role == "employee":
        text = _without_begun_choices(text)
    told = {
        "id": str(row.id), "place": row.place, "role": row.role, "text": text, "choices": choices,
        "final": row.final, "at": row.created_at.timestamp(),
    }  # fmt: skip
    return b"id: %d\nevent: message\ndata: %b\n\n" % (row.seq, orjson.dumps(told))


def _without_begun_choices(text: str) -> str:
    """A last line that begins like choices is not shown while it grows."""
    said, line_break, line = text.rpartition("\n")
    return said.rstrip() if line_break and line.lstrip().startswith("[") else text

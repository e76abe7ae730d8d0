"""Everything people in the workspaces could have seen, in the order in which it became visible."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "message",
    "edit",
    "delete",
    "status",
    "reaction",
    "reaction_removed",
    "ephemeral",
    "home",
    "prompts",
    "title",
    "read",
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One visible change. `at`: seconds since 1970; `text`: the whole text as it reads after the change.

    `streaming`: whether more will be appended; None for a message that was never streamed.
    """

    seq: int
    at: float
    kind: Kind
    team: str
    channel: str
    ts: str
    thread_ts: str | None
    user: str
    by_app: bool
    text: str
    client_msg_id: str | None = None
    metadata: dict[str, Any] | None = None
    blocks: list[dict[str, Any]] | None = None
    streaming: bool | None = None
    files: list[dict[str, Any]] | None = None


class Timeline:
    """An append-only list of entries that can be followed while it grows; `seq` is the index in it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._grown: asyncio.Future[None] | None = None
        self._listeners: list[Callable[[Entry], None]] = []

    def append(self, entry: Entry) -> None:
        """Add the entry (its `seq` must be the list's length) and wake whoever follows."""
        self.entries.append(entry)
        for listener in self._listeners:
            listener(entry)
        if self._grown is not None:
            self._grown.set_result(None)
            self._grown = None

    def listen(self, listener: Callable[[Entry], None]) -> None:
        """Call the listener with every entry, before `append` returns."""
        self._listeners.append(listener)

    async def follow(self, since: int | None = None) -> AsyncIterator[Entry]:
        """Yield entries from index `since` (default: now) on, for ever; after `clear`, from the start."""
        entries = self.entries
        at = len(entries) if since is None else since
        while True:
            if entries is not self.entries:
                entries, at = self.entries, 0
            if at < len(entries):
                yield entries[at]
                at += 1
            else:
                await self._growth()

    def clear(self) -> None:
        """Forget everything, for a new run on the same server."""
        self.entries = []

    async def _growth(self) -> None:
        if self._grown is None:
            self._grown = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._grown)  # shared by all followers: one that leaves must not cancel it

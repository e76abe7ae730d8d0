"""The media reader: fetches a file through its channel, keeps it, reads it. A turn never fails because of a file."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

import structlog

from konstruct.errors import (
    ChannelBusy,
    ChannelOutcomeUnknown,
    ChannelRefused,
    DatabaseUnavailable,
    DatabaseUnfit,
    Fenced,
    KonstructError,
    MediaUnavailable,
    StaleTurn,
)
from konstruct.media.reading import Readers, label, reference, unreadable
from konstruct.media.store import MediaStore
from konstruct.messages import Attachment

MAX_FILE_BYTES = 20 * 1024 * 1024
FETCH_TRIES = 3
WHOLE_SECONDS = 60.0
# A turn that begins anew because another message joined reads its files again.
KEPT_READS = 32

# Takes the digest of a file before it is kept; what it raises, the reader raises.
Note = Callable[[str], Awaitable[None]]

log = structlog.get_logger()


class Fetching(Protocol):
    """The part of a channel that files come through."""

    async def fetch(self, attachment: Attachment, *, limit: int) -> bytes:
        """See Channel.fetch."""
        ...


class Transcribing(Protocol):
    """A model that hears."""

    async def transcribe(self, content: bytes, media_type: str, *, deadline: float) -> str:
        """What is said; raises ModelUnavailable or ModelRefused."""
        ...


@dataclass(frozen=True, slots=True)
class Read:
    """A file as a turn uses it. `sha256`: None where it is not kept. `said`: the words of a recording."""

    text: str
    image_part: dict[str, Any] | None = None
    sha256: str | None = None
    said: str = ""


class MediaReader:
    """Reads what contacts send, for all tenants of a process."""

    def __init__(self, store: MediaStore, readers: Readers | None = None) -> None:
        """`readers`: how dangerous work is done; by default in killable processes."""
        self._store = store
        self._readers = readers or Readers()
        self._kept: OrderedDict[tuple[UUID, str], Read] = OrderedDict()

    async def read(
        self, channel: Fetching, attachment: Attachment, tenant: UUID, transcriber: Transcribing | None = None,
        *, note: Note,
    ) -> Read:  # fmt: skip
        """Text for every model, and an image part where it is a picture. Raises what `note` raises only."""
        key = (tenant, attachment.reference)
        if (known := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            await note(known.sha256 or "")
            return known
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                read = await self._read(channel, attachment, tenant, transcriber, note)
        except TimeoutError:
            return Read(unreadable(attachment, "it takes too long to fetch"))
        except (Fenced, StaleTurn, DatabaseUnavailable, DatabaseUnfit):
            raise
        except Exception:
            log.exception("a file could not be read", tenant=tenant, media_type=attachment.media_type)
            return Read(unreadable(attachment, "something went wrong with it"))
        if read.sha256 is not None:
            self._kept[key] = read
            while len(self._kept) > KEPT_READS:
                self._kept.popitem(last=False)
        return read

    async def forget(self, tenant: UUID, digests: Sequence[str]) -> None:
        """Delete kept files, and what is known of them; what cannot be reached now is told in the log."""
        self._kept.clear()
        for digest in digests:
            try:
                await self._store.delete(tenant, digest)
            except MediaUnavailable as unavailable:
                log.error("a deleted file is still kept", tenant=tenant, file=digest, reason=str(unavailable))  # noqa: TRY400

    async def _read(
        self, channel: Fetching, attachment: Attachment, tenant: UUID, transcriber: Transcribing | None, note: Note
    ) -> Read:
        too_large = Read(unreadable(attachment, f"it is larger than {MAX_FILE_BYTES // 1024**2} MB"))
        if attachment.size is not None and attachment.size > MAX_FILE_BYTES:
            return too_large
        try:
            content = await _fetched(channel, attachment)
        except ChannelRefused as refused:
            log.warning("a file cannot be fetched", tenant=tenant, reason=str(refused))
            return Read(unreadable(attachment, "it could not be fetched"))
        except (ChannelBusy, ChannelOutcomeUnknown) as failure:
            log.warning("a file could not be fetched", tenant=tenant, reason=str(failure))
            return Read(unreadable(attachment, "it could not be fetched now"))
        if len(content) > MAX_FILE_BYTES:
            return too_large
        if attachment.sha256 and attachment.sha256.lower() != sha256(content).hexdigest():
            return Read(unreadable(attachment, "it arrived damaged"))
        await note(sha256(content).hexdigest())
        digest = await self._keep(tenant, content)
        if attachment.kind == "audio" and transcriber is not None:
            return await _heard(transcriber, attachment, content, digest)
        reading = await self._readers.read(content, attachment)
        return Read(reading.text, reading.image_part, digest)

    async def _keep(self, tenant: UUID, content: bytes) -> str | None:
        putting = asyncio.ensure_future(self._store.put(tenant, content))
        try:
            return await asyncio.shield(putting)
        except asyncio.CancelledError:
            # Whoever deletes it next must not be overtaken.
            with suppress(MediaUnavailable):
                await putting
            raise
        except MediaUnavailable as unavailable:
            log.warning("a file is not kept", tenant=tenant, reason=str(unavailable))
            return None


async def _fetched(channel: Fetching, attachment: Attachment) -> bytes:
    for tries_left in reversed(range(FETCH_TRIES)):
        try:
            return await channel.fetch(attachment, limit=MAX_FILE_BYTES)
        except (ChannelBusy, ChannelOutcomeUnknown) as failure:
            if not tries_left:
                raise
            await asyncio.sleep(min(failure.retry_after, 5.0) if isinstance(failure, ChannelBusy) else 0.5)
    raise AssertionError("the last try answers or raises")


async def _heard(transcriber: Transcribing, attachment: Attachment, content: bytes, digest: str | None) -> Read:
    begun = time.monotonic()
    line = reference(attachment, len(content))
    try:
        said = await transcriber.transcribe(content, attachment.media_type, deadline=WHOLE_SECONDS / 2)
    except KonstructError as failure:
        log.warning("a recording could not be transcribed", reason=str(failure))
        return Read(line, sha256=digest)
    log.info("recording transcribed", seconds=time.monotonic() - begun)
    return Read(f"{line}\n{said}\n[end of the {label(attachment)}]" if said else line, sha256=digest, said=said)

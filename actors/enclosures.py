"""What came with the messages of a turn: files, read to text for every model and to pictures for those that see."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from konstruct.media.reader import Fetching, Note, Read, Transcribing
from konstruct.media.reading import reference
from konstruct.messages import Attachment, Heard
from konstruct.roster import Assignment

# Of one turn; the others are told of by name.
MAX_FILES = 8
MAX_PICTURES = 5
# All documents of a turn together must leave room in a small model's context.
MAX_TEXT_CHARS = 10_000
ALBUM_PICTURES = 2
ALBUM_TURNS = 4

NoteOf = Callable[[Heard, str], Awaitable[None]]


class Reading(Protocol):
    """The media reader, as a turn knows it."""

    async def read(
        self, channel: Fetching, attachment: Attachment, tenant: UUID, transcriber: Transcribing | None = None,
        *, note: Note,
    ) -> Read:  # fmt: skip
        """Raises what `note` raises only."""
        ...

    async def forget(self, tenant: UUID, digests: Sequence[str]) -> None:
        """Delete kept files."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """`heard`: the messages with their files written out; `said`: only what was said, typed or spoken."""

    heard: Sequence[Heard]
    said: Sequence[Heard]
    pictures: tuple[dict[str, Any], ...] = ()


async def open_all(media: Reading, assignment: Assignment, heard: Sequence[Heard], note: NoteOf) -> Opened:
    """Read the files of these messages, in their order; `note` what is about to be kept."""
    left, room = MAX_FILES, MAX_TEXT_CHARS
    written, said = [], []
    pictures: list[dict[str, Any]] = []
    for message in heard:
        texts, spoken = [message.text], [message.text]
        files: list[str] = []
        for attachment in message.attachments:
            if not left:
                texts.append(reference(attachment))
                continue
            left -= 1
            read = await media.read(
                assignment.channel, attachment, message.tenant, assignment.transcriber,
                note=partial(_noted, note, message, files),
            )  # fmt: skip
            texts.append(_cut(read.text, room))
            room = max(0, room - len(read.text))
            spoken.append(read.said)
            if read.image_part is not None and len(pictures) < MAX_PICTURES:
                pictures.append(read.image_part)
        text = "\n".join(filter(None, texts))
        written.append(replace(message, text=text, attachments=(), files=tuple(files)))
        said.append(replace(message, text="\n".join(filter(None, spoken)), attachments=()))
    return Opened(written, said, tuple(pictures))


async def _noted(note: NoteOf, message: Heard, files: list[str], digest: str) -> None:
    await note(message, digest)
    files.append(digest)


def _cut(text: str, room: int) -> str:
    """What fits, whole lines first: the first line says what the file is."""
    if len(text) <= room:
        return text
    head, _, rest = text.partition("\n")
    return f"{head}\n{rest[:room]}\n[the rest is left out]" if rest else head


class Album:
    """The latest pictures of a conversation, shown again for a few turns: people ask about what they sent before.

    Kept in memory only: after a restart the text still refers to them.
    """

    def __init__(self) -> None:
        """Empty at first."""
        self._kept: list[tuple[int, dict[str, Any]]] = []

    def keep(self, turn: int, pictures: Sequence[dict[str, Any]]) -> None:
        """Pictures that came in turn number `turn`."""
        self._kept = [*self._kept, *((turn, picture) for picture in pictures)][-ALBUM_PICTURES:]

    def at(self, turn: int) -> list[dict[str, Any]]:
        """What is still shown in turn number `turn`; older ones are forgotten."""
        self._kept = [(came, picture) for came, picture in self._kept if turn - came <= ALBUM_TURNS]
        return [picture for _, picture in self._kept]

"""What came with the messages of a turn: files, read to text for every model and to pictures for those that see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import UUID

from konstruct.media.reader import Fetching, Read, Transcribing
from konstruct.media.reading import reference
from konstruct.messages import Attachment, Heard
from konstruct.roster import Assignment

# Of one turn; the others are told of by name.
MAX_FILES = 8
MAX_PICTURES = 5


class Reading(Protocol):
    """The media reader, as a turn knows it."""

    async def read(
        self, channel: Fetching, attachment: Attachment, tenant: UUID, transcriber: Transcribing | None = None
    ) -> Read:
        """Never raises but when cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """`heard`: the messages with their files written out; `said`: only what was said, typed or spoken."""

    heard: Sequence[Heard]
    said: Sequence[Heard]
    pictures: tuple[dict[str, Any], ...] = ()


async def open_all(media: Reading, assignment: Assignment, heard: Sequence[Heard]) -> Opened:
    """Read the files of these messages, in their order."""
    left = MAX_FILES
    written, said = [], []
    pictures: list[dict[str, Any]] = []
    for message in heard:
        texts, spoken = [message.text], [message.text]
        for attachment in message.attachments:
            if not left:
                texts.append(reference(attachment))
                continue
            left -= 1
            read = await media.read(assignment.channel, attachment, message.tenant, assignment.transcriber)
            texts.append(read.text)
            spoken.append(read.said)
            if read.image_part is not None and len(pictures) < MAX_PICTURES:
                pictures.append(read.image_part)
        written.append(replace(message, text="\n".join(filter(None, texts)), attachments=()))
        said.append(replace(message, text="\n".join(filter(None, spoken)), attachments=()))
    return Opened(written, said, tuple(pictures))

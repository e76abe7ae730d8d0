"""From a file's bytes to what a model can use: an image part, a text, or a reference in one line. Never raises."""

import asyncio
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import konstruct
from konstruct.messages import Attachment

READING_SECONDS = 20.0
READINGS_AT_ONCE = 2
LONGEST_NAME_CHARS = 80

_LABELS = {"image": "picture", "document": "document", "audio": "recording", "video": "video", "sticker": "sticker"}
# Nothing of our own environment: it holds secrets.
_ENVIRONMENT = {"PYTHONPATH": str(Path(konstruct.__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of a file: its text for every model, and for those that see, an OpenAI image part."""

    text: str
    image_part: dict[str, Any] | None = None


class Readers:
    """Reads files in processes of their own, a few at a time."""

    def __init__(self, seconds: float = READING_SECONDS) -> None:
        """`seconds`: how long one file may take, before its process is killed."""
        self._seconds = seconds
        self._free = asyncio.Semaphore(READINGS_AT_ONCE)

    async def read(self, content: bytes, attachment: Attachment) -> Reading:
        """Whatever the bytes are."""
        if attachment.kind in ("audio", "video"):
            return Reading(reference(attachment, len(content)))
        async with self._free:
            found = await asyncio.to_thread(_apart, content, attachment, self._seconds)
        if why := found.get("unreadable"):
            return Reading(unreadable(attachment, why))
        if found["kind"] == "picture":
            return Reading(reference(attachment, len(content)), _image_part(found["image"]))
        if attachment.kind != "document":
            return Reading(unreadable(attachment, "it is not a picture"))
        return Reading(_document(attachment, len(content), found))


def reference(attachment: Attachment, size: int | None = None, *, about: str = "") -> str:
    """One line that stands for the file: [picture: cat.png, image/png, 34 kB]."""
    size = attachment.size if size is None else size
    facts = [about, _plain(attachment.media_type), "" if size is None else _sized(size)]
    name = "" if attachment.voice else _plain(attachment.name)
    return f"[{', '.join(filter(None, [label(attachment) + (f': {name}' if name else ''), *facts]))}]"


def unreadable(attachment: Attachment, why: str) -> str:
    """One line that says why the file's content is missing."""
    name = "" if attachment.voice else _plain(attachment.name)
    return f"[a {label(attachment)} that cannot be read: {f'{name}: ' if name else ''}{why}]"


def label(attachment: Attachment) -> str:
    """What the file is, in a word."""
    return "voice note" if attachment.voice else _LABELS[attachment.kind]


def _apart(content: bytes, attachment: Attachment, seconds: float) -> dict[str, Any]:
    header = json.dumps({"name": attachment.name, "media_type": attachment.media_type}).encode()
    # To a file, not a pipe: there the kernel caps what a process that went wrong can write.
    with tempfile.TemporaryFile() as answer:
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-s", "-m", "konstruct.media.sandbox"],
                input=header + b"\n" + content,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"unreadable": "it takes too long to read"}
        except OSError:
            return {"unreadable": "it cannot be read at the moment"}
        answer.seek(0)
        try:
            return dict(json.load(answer)) if done.returncode == 0 else {"unreadable": "it takes too much to read"}
        except ValueError:
            return {"unreadable": "it takes too much to read"}


def _document(attachment: Attachment, size: int, found: dict[str, Any]) -> str:
    line = reference(attachment, size, about=found["about"])
    if not found["text"]:
        return unreadable(attachment, "it holds no text, only pictures perhaps")
    return f"{line}\n{found['text']}\n[end of the document]"


def _image_part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _plain(text: str) -> str:
    """A name that cannot pass for anything else: one line, no brackets."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable() and c not in "[]")[:LONGEST_NAME_CHARS]


def _sized(size: int) -> str:
    for unit, bytes_ in (("MB", 1_000_000), ("kB", 1_000)):
        if size >= bytes_:
            return f"{size / bytes_:.0f} {unit}"
    return f"{size} bytes"

"""What a file really is, by its first bytes, and who reads it. Its name and announced type decide nothing but text."""

import importlib
from typing import cast

from konstruct.media.sandbox.unreadable import Unreadable

MAX_TEXT_CHARS = 8_000

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_KNOWN_BUT_UNREAD = {
    b"\xd0\xcf\x11\xe0": "it is in an old Office format; the newer one (docx, xlsx, pptx) can be read",
    b"MZ": "it is a program",
    b"\x7fELF": "it is a program",
    b"\x1f\x8b": "it is an archive",
    b"Rar!": "it is an archive",
    b"7z\xbc\xaf": "it is an archive",
}
_HEIF = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc", b"ftypavif")


def extract(content: bytes, name: str, media_type: str) -> dict[str, str]:
    """{kind: picture, image: data URL} or {kind: document, text, about}; raises Unreadable."""
    if not content:
        raise Unreadable("it is empty")
    if content.startswith(_PICTURES) or (content.startswith(b"RIFF") and content[8:12] == b"WEBP"):
        return {"kind": "picture", "image": _read("picture", content)[0]}
    if content[4:12] in _HEIF:
        raise Unreadable("it is in a format (HEIC or AVIF) that is not supported; JPEG and PNG are")
    for magic, why in _KNOWN_BUT_UNREAD.items():
        if content.startswith(magic):
            raise Unreadable(why)
    text, about = _document(content, name, media_type)
    text = "\n".join(line.rstrip() for line in text.splitlines()).strip()
    cut = "" if len(text) <= MAX_TEXT_CHARS else "\n[the rest is left out]"
    return {"kind": "document", "text": text[:MAX_TEXT_CHARS] + cut, "about": about}


def _document(content: bytes, name: str, media_type: str) -> tuple[str, str]:
    if b"%PDF-" in content[:1024]:
        return _read("pdf", content)
    if content.startswith(b"PK\x03\x04"):
        return _read("office", content)
    html = media_type == "text/html" or name.lower().endswith((".html", ".htm"))
    return _read("html" if html else "plain", content)


def _read(reader: str, content: bytes) -> tuple[str, str]:
    """Each reader is imported only for its own files: that halves the time of a small one."""
    module = importlib.import_module(f"konstruct.media.sandbox.{reader}")
    return cast("tuple[str, str]", module.read(content))

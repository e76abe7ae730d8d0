"""Plain text in the encodings that people still send."""

import codecs
import unicodedata

from konstruct.media.sandbox.unreadable import Unreadable

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# Of a file that is text, fewer than this share are control characters.
CONTROL_SHARE = 0.02


def read(content: bytes) -> tuple[str, str]:
    """The text, and nothing more to say about it; raises Unreadable where it is not text."""
    return decoded(content), ""


def decoded(content: bytes) -> str:
    """Text by its byte order mark, as UTF-8, or as what Windows wrote in the West; raises Unreadable."""
    encoding = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), None)
    try:
        text = content.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    sample = text[:20_000]
    controls = sum(unicodedata.category(c) in ("Cc", "Cn") and c not in "\t\n\r\f" for c in sample)
    if controls > CONTROL_SHARE * len(sample) or "\0" in sample:
        raise Unreadable("it is of a kind that cannot be read")
    return text

"""PDF: the text of its first pages."""

import logging
import time
from io import BytesIO

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from konstruct.media.sandbox.extract import MAX_TEXT_CHARS
from konstruct.media.sandbox.unreadable import Unreadable

MAX_PAGES = 100
ENOUGH_SECONDS = 6.0

logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def read(content: bytes) -> tuple[str, str]:
    """The text, as far as time and room go, and how many pages there are; raises Unreadable."""
    begun = time.monotonic()
    try:
        reader = PdfReader(BytesIO(content), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("it is protected by a password")
        pages = len(reader.pages)
        parts: list[str] = []
        for page in reader.pages[: min(pages, MAX_PAGES)]:
            if sum(map(len, parts)) > MAX_TEXT_CHARS or time.monotonic() - begun > ENOUGH_SECONDS:
                break
            parts.append(page.extract_text())
    except (PyPdfError, OSError, ValueError, LookupError, RecursionError) as error:
        raise Unreadable("it is damaged") from error
    return "\n\n".join(parts), f"{pages} page{'' if pages == 1 else 's'}"

"""Files in messages: https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media."""

import base64
import binascii
from typing import Any

from konstruct.channels.whatsapp.fields import detail, identity
from konstruct.messages import Attachment, Medium

MEDIA: dict[str, Medium] = {
    "image": "image",
    "video": "video",
    "document": "document",
    "sticker": "sticker",
    "audio": "audio",
}
_SHA256_BYTES = 32


def attachment(kind: str, content: dict[str, Any]) -> Attachment | None:
    """The file of a media message; None without a media id."""
    reference = identity(content.get("id"))
    if not reference:
        return None
    voice = kind == "audio" and content.get("voice") is True
    return Attachment(
        kind=MEDIA[kind],
        name=detail(content.get("filename")) or ("voice note" if voice else kind),
        media_type=detail(content.get("mime_type")).lower(),
        reference=reference,
        size=size(content.get("file_size")),
        sha256=digest(content.get("sha256")),
        voice=voice,
    )


def digest(value: Any) -> str:
    """A SHA-256 as hexadecimal: webhooks write it as base64, the media endpoint does not say which."""
    given = identity(value)
    try:
        raw = bytes.fromhex(given) if len(given) == 2 * _SHA256_BYTES else base64.b64decode(given, validate=True)
    except (ValueError, binascii.Error):
        return ""
    return raw.hex() if len(raw) == _SHA256_BYTES else ""


def size(value: Any) -> int | None:
    """Bytes, as announced."""
    digits = detail(value)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None

"""Media: what people send and businesses upload, behind short-lived URLs and a bearer token."""

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.clock import Clock
from simulator.whatsapp.number import Number
from simulator.whatsapp.options import Options
from simulator.whatsapp.refusal import Refused

USERS_DAYS, BUSINESS_DAYS = 7, 30
DAY_SECONDS = 86_400.0


@dataclass(slots=True)
class Media:
    """One file; `until`: when Meta forgets it."""

    id: str
    number: Number
    mime_type: str
    content: bytes
    until: float
    filename: str = ""

    @property
    def digest(self) -> bytes:
        """Its SHA-256."""
        return hashlib.sha256(self.content).digest()

    @property
    def sha256(self) -> str:
        """As webhooks write it."""
        return b64encode(self.digest).decode()


class MediaStore:
    """All media, and the URLs that are good for some minutes."""

    def __init__(self, options: Options, clock: Clock, address: Callable[[], str]) -> None:
        """`address` gives the server's root URL."""
        self._options = options
        self._clock = clock
        self._address = address
        self._media: dict[str, Media] = {}
        self._links: dict[str, tuple[Media, float]] = {}

    def add(self, number: Number, mime_type: str, content: bytes, *, filename: str = "", by_user: bool) -> Media:
        """Keep a file."""
        days = USERS_DAYS if by_user else BUSINESS_DAYS
        until = self._clock.now() + days * DAY_SECONDS
        media = Media(str(10**15 + secrets.randbelow(10**15)), number, mime_type, content, until, filename)
        self._media[media.id] = media
        return media

    def find(self, number: Number, media_id: str) -> Media | None:
        """Return the file, if it is the number's and not forgotten yet."""
        media = self._media.get(media_id)
        if media is None or media.until <= self._clock.now():
            return None
        return media if media.number.phone_number_id == number.phone_number_id else None

    def describe(self, media: Media) -> dict[str, Any]:
        """Return the fields that the Graph API tells, with a new URL."""
        return {
            "messaging_product": "whatsapp",
            "url": self.link(media),
            "mime_type": media.mime_type,
            "sha256": media.digest.hex(),
            "file_size": len(media.content),
            "id": media.id,
        }

    def link(self, media: Media) -> str:
        """Return a new URL for the file."""
        secret = secrets.token_urlsafe(16)
        self._links[secret] = (media, self._clock.now() + self._options.media_url_seconds)
        return f"{self._address()}/whatsapp_business/attachments/?mid={media.id}&hash={secret}"

    def open(self, secret: str) -> Media:
        """Return the file behind a URL; raises Refused where the URL is too old or was never there."""
        media, until = self._links.get(secret, (None, 0.0))
        if media is None or until <= self._clock.now():
            raise Refused(100, "The URL has expired.", status=404)
        return media

    def remove(self, media: Media) -> None:
        """Forget a file."""
        del self._media[media.id]

    def clear(self) -> None:
        """Forget all files."""
        self._media.clear()
        self._links.clear()

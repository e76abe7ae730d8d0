"""Media downloads: a short-lived URL from the Graph API, then the bytes, and nothing from anywhere else."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from konstruct.channels.whatsapp.fields import identity
from konstruct.channels.whatsapp.media import digest, size
from konstruct.channels.whatsapp.verdicts import Refusal, answered
from konstruct.errors import ChannelBusy, ChannelRefused
from konstruct.messages import Attachment

FETCH_SECONDS = 30.0
CHUNK_BYTES = 64 * 1024
# The bearer token goes along, so nobody else may be asked: https://developers.facebook.com/docs/whatsapp (media).
META_HOSTS = ("fbsbx.com", "whatsapp.net", "facebook.com", "fbcdn.net")


@dataclass(frozen=True, slots=True)
class _Announced:
    size: int | None
    sha256: str


class Files:
    """The files that contacts send to one number."""

    def __init__(self, session: Any, api_url: str, headers: dict[str, str], number: str) -> None:
        """`headers` carry the bearer token."""
        self._session = session
        self._api_url = api_url
        self._headers = headers
        self._number = number

    async def fetch(self, attachment: Attachment, limit: int) -> bytes:
        """The file's bytes; raises ChannelRefused where they are too many, not what was announced, or not to be had."""
        name, reference = attachment.name, identity(attachment.reference)
        _check_size(attachment.size, limit, name)
        if not reference.isalnum():
            raise ChannelRefused(f"{name} has no media id that WhatsApp would give.")
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                url, announced = await self._locate(reference)
                _check_size(announced.size, limit, name)
                check_host(url, self._api_url, name)
                found = await self._download(url, name, limit)
        except Refusal as refusal:
            raise refusal.as_error(1.0) from refusal
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ChannelBusy(1.0, f"{name} could not be fetched: {error or type(error).__name__}.") from error
        for promise in (announced, _Announced(attachment.size, attachment.sha256)):
            _check(found, promise, name)
        return found

    async def _locate(self, reference: str) -> tuple[str, _Announced]:
        url, query = f"{self._api_url}{reference}", {"phone_number_id": self._number}
        async with self._session.get(url, headers=self._headers, params=query, allow_redirects=False) as response:
            told = answered(response.status, await response.read())
        where = told.get("url")
        return where if isinstance(where, str) else "", _Announced(
            size(told.get("file_size")), digest(told.get("sha256"))
        )

    async def _download(self, url: str, name: str, limit: int) -> bytes:
        found = bytearray()
        # A redirect would take the token to wherever it points.
        async with self._session.get(url, headers=self._headers, allow_redirects=False) as response:
            if response.status >= 500:
                raise ChannelBusy(1.0, f"{name} could not be fetched: status {response.status}.")
            if response.status != 200:
                raise ChannelRefused(f"{name} is not to be had: status {response.status}.")
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                found += chunk
                _check_size(len(found), limit, name)
        return bytes(found)


def check_host(url: str, api_url: str, name: str) -> None:
    """Raise ChannelRefused unless the URL is the API's own server, or one of Meta's over HTTPS."""
    try:
        wanted, own = urlsplit(url), urlsplit(api_url)
        same = (wanted.scheme, wanted.hostname, wanted.port) == (own.scheme, own.hostname, own.port)
        host = wanted.hostname or ""
    except ValueError as error:
        raise ChannelRefused(f"{name} lies at an address that is none.") from error
    metas = wanted.scheme == "https" and wanted.port in (None, 443) and not wanted.username
    if not (same or (metas and any(host == one or host.endswith(f".{one}") for one in META_HOSTS))):
        raise ChannelRefused(f"{name} lies on {host or 'no host'}, which is none of Meta's; it is not fetched.")


def _check(found: bytes, announced: _Announced, name: str) -> None:
    if announced.size is not None and announced.size != len(found):
        raise ChannelRefused(f"{name} has {len(found)} bytes, but {announced.size} were announced.")
    if announced.sha256 and hashlib.sha256(found).hexdigest() != announced.sha256:
        raise ChannelRefused(f"{name} is not the file that was announced: its checksum differs.")


def _check_size(size: int | None, limit: int, name: str) -> None:
    if size is not None and size > limit:
        raise ChannelRefused(f"{name} is larger than the {limit} bytes that are read.")

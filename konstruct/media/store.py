"""Where files are kept: by tenant and content, in a folder or in anything that speaks S3."""

import asyncio
import re
from collections.abc import Awaitable
from hashlib import sha256
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from konstruct.errors import MediaUnavailable, SettingsInvalid
from konstruct.settings import Settings

T = TypeVar("T")
STORE_SECONDS = 20.0

_SHA256 = re.compile("[0-9a-f]{64}")


class MediaStore:
    """Content-addressed: the same bytes of a tenant are kept once. Every error is MediaUnavailable."""

    def __init__(self, place: LocalStore | S3Store) -> None:
        """Nothing is contacted before it is needed."""
        self._place = place

    async def put(self, tenant: UUID, content: bytes) -> str:
        """Keep the bytes; answers their SHA-256, in hex."""
        digest = sha256(content).hexdigest()
        await _checked(obstore.put_async(self._place, _key(tenant, digest), content))
        return digest

    async def get(self, tenant: UUID, digest: str) -> bytes:
        """The bytes, proved to be the ones that were put."""
        found = await _checked(obstore.get_async(self._place, _key(tenant, digest)))
        content = bytes(await _checked(found.bytes_async()))
        if sha256(content).hexdigest() != digest:
            raise MediaUnavailable(f"The kept file {digest} is damaged.")
        return content

    async def delete(self, tenant: UUID, digest: str) -> None:
        """Forget one file; harmless to repeat."""
        key = _key(tenant, digest)
        try:
            await _checked(obstore.delete_async(self._place, key))
        except MediaUnavailable as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise

    async def delete_tenant(self, tenant: UUID) -> int:
        """Forget all files of a tenant; answers how many they were."""
        deleted = 0
        while True:
            batch = await _checked(_first_keys(self._place, f"{tenant}/"))
            if not batch:
                return deleted
            await _checked(obstore.delete_async(self._place, batch))
            deleted += len(batch)


def open_store(settings: Settings) -> MediaStore:
    """The store that KONSTRUCT_MEDIA_URL names: s3://bucket/prefix, file:///folder, or a folder under home."""
    try:
        return MediaStore(_place(settings))
    except (BaseError, OSError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise SettingsInvalid(f"The place for files that KONSTRUCT_MEDIA_URL names cannot be used: {why}") from error


def folder_of(settings: Settings) -> Path | None:
    """The folder that files are kept in, which `open_store` makes; None where they are kept in S3."""
    url = urlsplit(settings.media_url)
    if url.scheme == "s3" and url.netloc:
        return None
    if settings.media_url and (url.scheme != "file" or url.netloc or not url.path):
        raise SettingsInvalid("KONSTRUCT_MEDIA_URL must be like s3://bucket/prefix or file:///folder.")
    return Path(url.path) if url.path else settings.home / "media"


def _place(settings: Settings) -> LocalStore | S3Store:
    folder = folder_of(settings)
    if folder is None:
        url = urlsplit(settings.media_url)
        return _s3(settings, url.netloc, url.path.strip("/"))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return LocalStore(folder, automatic_cleanup=True)


def _s3(settings: Settings, bucket: str, prefix: str) -> S3Store:
    endpoint = settings.media_endpoint
    return S3Store(
        bucket,
        prefix=prefix or None,
        endpoint=endpoint or None,
        region=settings.media_region,
        access_key_id=settings.media_access_key,
        secret_access_key=settings.media_secret_key,
        virtual_hosted_style_request=not endpoint,
        client_options={"allow_http": endpoint.startswith("http://"), "timeout": f"{STORE_SECONDS:.0f}s"},
    )


async def _first_keys(place: LocalStore | S3Store, prefix: str) -> list[str]:
    async for batch in obstore.list(place, prefix, chunk_size=500):
        return [found["path"] for found in batch]
    return []


async def _checked(asked: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(STORE_SECONDS):
            return await asked
    except (BaseError, OSError, TimeoutError) as error:
        # The first line says it; what follows is the library's inside.
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise MediaUnavailable(f"The media store failed: {why}.") from error


def _key(tenant: UUID, digest: str) -> str:
    if not _SHA256.fullmatch(digest):
        raise MediaUnavailable("A kept file is named by its SHA-256 in hex.")
    return f"{tenant}/{digest}"

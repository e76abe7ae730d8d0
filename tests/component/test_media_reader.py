"""The media reader with a real file server, folder and sandbox: a turn never fails because of a file."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from obstore.store import LocalStore

from konstruct.errors import ChannelBusy, ChannelRefused, ModelUnavailable, StaleTurn
from konstruct.media import reader
from konstruct.media.reader import MediaReader
from konstruct.media.store import MediaStore
from konstruct.messages import Attachment
from tests.component import files

ACME = uuid4()
CAT = files.picture("PNG")


class FileChannel:
    """Fetches over HTTP, as channels do; a file server that fails as they do stands behind it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self.session, self.fetched = url, session, 0

    async def fetch(self, attachment: Attachment, *, limit: int) -> bytes:
        self.fetched += 1
        async with self.session.get(f"{self.url}/{attachment.reference}") as response:
            if response.status == 429:
                raise ChannelBusy(0.01)
            if response.status != 200:
                raise ChannelRefused(f"status {response.status}")
            return await response.read()


class Listener:
    def __init__(self, said: str | None) -> None:
        self.said, self.calls = said, []

    async def transcribe(self, content: bytes, media_type: str, *, deadline: float) -> str:
        self.calls.append((content, media_type))
        if self.said is None:
            raise ModelUnavailable
        return self.said


@pytest_asyncio.fixture
async def channel() -> AsyncIterator[FileChannel]:
    busy = iter([429, 429])

    async def serve(request: web.Request) -> web.Response:
        match request.match_info["name"]:
            case "busy-cat":
                return web.Response(status=next(busy, 200), body=CAT)
            case "always-busy":
                return web.Response(status=429)
            case "cat":
                return web.Response(body=CAT)
            case "voice":
                return web.Response(body=b"OggS" + bytes(34_000))
            case "huge":
                return web.Response(body=bytes(reader.MAX_FILE_BYTES + 10))
            case _:
                return web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{name}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as session:
        yield FileChannel(f"http://127.0.0.1:{runner.addresses[0][1]}", session)
    await runner.cleanup()


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    (tmp_path / "media").mkdir()
    return MediaStore(LocalStore(tmp_path / "media"))


def cat(reference: str = "cat", **more: Any) -> Attachment:
    return Attachment("image", "cat.png", "image/png", reference, **more)


async def unnoted(_digest: str) -> None:
    """Nobody needs to know."""


VOICE = Attachment("audio", "", "audio/ogg", "voice", voice=True)


async def test_a_picture_is_fetched_kept_and_read(channel: FileChannel, store: MediaStore) -> None:
    read = await MediaReader(store).read(channel, cat(sha256=sha256(CAT).hexdigest()), ACME, note=unnoted)
    assert read.text == f"[picture: cat.png, image/png, {len(CAT)} bytes]"
    assert read.image_part is not None
    assert read.sha256 == sha256(CAT).hexdigest()
    assert await store.get(ACME, read.sha256) == CAT


async def test_what_cannot_be_noted_is_not_kept(channel: FileChannel, store: MediaStore) -> None:
    noted: list[str] = []

    async def gone(digest: str) -> None:
        noted.append(digest)
        raise StaleTurn

    with pytest.raises(StaleTurn):
        await MediaReader(store).read(channel, cat(), ACME, note=gone)
    assert noted == [sha256(CAT).hexdigest()]
    assert await store.delete_tenant(ACME) == 0


async def test_a_turn_that_begins_anew_does_not_fetch_again(channel: FileChannel, store: MediaStore) -> None:
    media = MediaReader(store)
    assert await media.read(channel, cat(), ACME, note=unnoted) is await media.read(channel, cat(), ACME, note=unnoted)
    assert channel.fetched == 1
    await media.read(channel, cat(), uuid4(), note=unnoted)
    assert channel.fetched == 2


async def test_a_busy_channel_is_asked_again(channel: FileChannel, store: MediaStore) -> None:
    assert (await MediaReader(store).read(channel, cat("busy-cat"), ACME, note=unnoted)).image_part is not None
    assert channel.fetched == 3


@pytest.mark.parametrize(
    ("attachment", "why"),
    [
        (cat("gone"), "it could not be fetched"),
        (cat("always-busy"), "it could not be fetched now"),
        (cat("huge"), "it is larger than 20 MB"),
        (cat(size=99_000_000), "it is larger than 20 MB"),
        (cat(sha256="0" * 64), "it arrived damaged"),
    ],
)
async def test_a_file_that_is_not_to_be_had_is_a_sentence(
    attachment: Attachment, why: str, channel: FileChannel, store: MediaStore
) -> None:
    read = await MediaReader(store).read(channel, attachment, ACME, note=unnoted)
    assert read.text == f"[a picture that cannot be read: cat.png: {why}]"
    assert (read.image_part, read.sha256) == (None, None)


async def test_even_a_channel_that_breaks_its_word_fails_no_turn(channel: FileChannel, store: MediaStore) -> None:
    channel.url = "http://127.0.0.1:9"
    read = await MediaReader(store).read(channel, cat(), ACME, note=unnoted)
    assert read.text == "[a picture that cannot be read: cat.png: something went wrong with it]"


async def test_a_store_that_is_down_does_not_keep_a_picture_from_being_seen(
    channel: FileChannel, tmp_path: Path
) -> None:
    (tmp_path / "media").mkdir()
    store = MediaStore(LocalStore(tmp_path / "media"))
    (tmp_path / "media" / str(ACME)).write_text("in the way")
    read = await MediaReader(store).read(channel, cat(), ACME, note=unnoted)
    assert read.image_part is not None
    assert read.sha256 is None


async def test_a_voice_note_is_told_of_or_where_a_model_hears_written_down(
    channel: FileChannel, store: MediaStore
) -> None:
    assert (await MediaReader(store).read(channel, VOICE, ACME, note=unnoted)).text == "[voice note, audio/ogg, 34 kB]"
    hears = Listener("Where is my order?")
    read = await MediaReader(store).read(channel, VOICE, ACME, hears, note=unnoted)
    assert read.text == "[voice note, audio/ogg, 34 kB]\nWhere is my order?\n[end of the voice note]"
    assert hears.calls[0][1] == "audio/ogg"
    assert (
        await MediaReader(store).read(channel, VOICE, ACME, Listener(None), note=unnoted)
    ).text == "[voice note, audio/ogg, 34 kB]"

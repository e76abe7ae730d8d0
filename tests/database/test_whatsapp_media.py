"""Files on WhatsApp from end to end: fetched with the token from Meta only, and told to the model."""

import asyncio
from pathlib import Path

from tests.whatsapp_rig import WhatsAppRig, until, whatsapp_rig

TEXT = "The spare key is under the third flower pot."


def asked(k: WhatsAppRig) -> str:
    """Everything that models were asked."""
    return str([request["messages"] for request in k.rig.model.requests])


async def test_a_document_is_fetched_checked_and_read_to_the_model(database_url: str, tmp_path: Path) -> None:
    async with whatsapp_rig(database_url, tmp_path) as k:
        await k.whatsapp.people.share("document", TEXT, mime_type="text/plain", filename="key.txt", caption="Where?")
        (answer,) = await k.replies(1)
        assert "Where?" in answer
        assert TEXT in asked(k)
        assert k.whatsapp.api.calls["download", "ok"] == 1


async def test_a_file_without_a_word_is_answered_too(database_url: str, tmp_path: Path) -> None:
    async with whatsapp_rig(database_url, tmp_path) as k:
        await k.whatsapp.people.share("document", TEXT, mime_type="text/plain", filename="key.txt")
        await k.replies(1)
        assert TEXT in asked(k)
        await k.whatsapp.people.share("audio", "not really audio", voice=True)
        await k.replies(2)
        await k.whatsapp.people.share("sticker", "not really a picture")
        await k.replies(3)


async def test_a_file_that_lies_elsewhere_is_not_fetched_and_the_message_still_answered(
    database_url: str, tmp_path: Path
) -> None:
    asked_elsewhere: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked_elsewhere.append(await reader.read(1000))
        writer.close()

    server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    redirect = f"http://127.0.0.1:{port}/file"
    async with server, whatsapp_rig(database_url, tmp_path, redirect_media_to=redirect) as k:
        await k.whatsapp.people.share("document", TEXT, mime_type="text/plain", filename="key.txt", caption="Where?")
        await until(lambda: len(k.texts()) == 1, 30)
        assert TEXT not in asked(k)
    assert asked_elsewhere == []

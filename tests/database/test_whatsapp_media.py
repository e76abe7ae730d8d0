"""Files and choices on WhatsApp from end to end: what the model is told, and what comes back of a list."""

import asyncio
from base64 import b64encode
from pathlib import Path
from typing import Any

from tests.component import files
from tests.whatsapp_rig import ACME, WhatsAppRig, until, whatsapp_rig

SENSES = """
models:
  - {{name: eyes, litellm: openai/stub, api_base: "{url}", api_key: k, vision: true}}
  - {{name: ears, litellm: openai/whisper-1, api_base: "{url}", api_key: k, transcription: true}}
"""
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


async def share_with_senses(k: WhatsAppRig, kind: str, content: bytes, mime_type: str, **more: Any) -> None:
    await k.apply(ACME, whole=SENSES.format(url=k.rig.model.url), model="eyes")
    await k.whatsapp.people.share(kind, content_base64=b64encode(content).decode(), mime_type=mime_type, **more)


async def test_a_picture_is_shown_to_the_model(database_url: str, tmp_path: Path) -> None:
    async with whatsapp_rig(database_url, tmp_path) as k:
        k.rig.model.reply = lambda _: "A cat."
        await share_with_senses(k, "image", files.picture("PNG"), "image/png", caption="What is this?")
        assert await k.replies(1, seconds=40) == ["A cat."]
        words, picture = k.rig.model.requests[-1]["messages"][-1]["content"]
        assert "What is this?" in words["text"]
        assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,")


async def test_a_voice_note_is_written_down_and_answered(database_url: str, tmp_path: Path) -> None:
    async with whatsapp_rig(database_url, tmp_path) as k:
        await share_with_senses(k, "audio", b"OggS" + bytes(2_000), "audio/ogg; codecs=opus", voice=True)
        (answer,) = await k.replies(1, seconds=40)
        assert "Where is my order?" in answer
        written, *_ = [request for request in k.rig.model.requests if "file" in request]
        assert written["bytes"] == 2_004


async def test_more_choices_than_buttons_are_a_list_and_its_row_comes_back_as_words(
    database_url: str, tmp_path: Path
) -> None:
    days = ["Monday", "Tuesday", "Wednesday afternoon, after four", "Thursday", "Friday"]
    async with whatsapp_rig(database_url, tmp_path) as k:
        k.rig.model.reply = lambda messages: (
            f"When?\n[[{' | '.join(days)}]]" if "come" in messages[-1]["content"] else f"So {messages[-1]['content']}."
        )
        await k.whatsapp.say("I want to come by")
        assert await k.replies(1) == ["When?"]
        rows = k.answers()[0].choices
        assert {row["reply"] for row in rows} == {"list_reply"}
        assert len(rows) == 5
        await k.whatsapp.people.choose(k.answers()[0].id, rows[2]["title"])
        assert await k.replies(2) == ["When?", "So Wednesday afternoon, after four."]

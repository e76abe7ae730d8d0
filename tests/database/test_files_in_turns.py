"""Files that people share in Slack, through the whole product: fetched, kept, read, given to the model."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from konstruct import tenant_file
from konstruct.database import erasure, tenants
from konstruct.database.erasure import Person
from konstruct.database.pool import Database
from konstruct.forgetting import forget_person, forget_tenant
from konstruct.identity import tenant_id
from konstruct.media.store import STORE_SECONDS, MediaStore, open_store
from konstruct.vault import Vault
from tests.component import files
from tests.database.forgotten import ALICE, rows, until_quiet
from tests.hook import until
from tests.rig import APP, TENANT, Rig, rig

SENSES = """
models:
  - {{name: eyes, litellm: openai/stub, api_base: "{url}", api_key: k, vision: true}}
  - {{name: ears, litellm: openai/whisper-1, api_base: "{url}", api_key: k, transcription: true}}
escalation: {{rules: ['"order"'], message: A colleague will look at it.}}
"""
CAT = files.picture("PNG")


@pytest_asyncio.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path) as under_test:
        yield under_test


async def give_senses(town: Rig) -> None:
    text = TENANT.format(tenant="acme", app=APP, quiet=0).replace("model: local/stub", "model: eyes")
    parsed = tenant_file.parse(text + SENSES.format(url=town.model.url), {})
    assert await tenants.apply_tenant(town.database, parsed, Vault(town.settings.master_keys))


async def share(town: Rig, name: str, content: bytes, media_type: str, **more: Any) -> None:
    encoded = b64encode(content).decode()
    await town.slack.people.share(name, content_base64=encoded, mimetype=media_type, **more)


def asked(town: Rig) -> Any:
    return town.model.requests[-1]["messages"][-1]["content"]


def remembered(town: Rig) -> list[str]:
    with psycopg.connect(town.settings.database_url or "") as owner:
        return [row[0] for row in owner.execute("select text from messages where role = 'contact' order by id")]


async def test_a_model_that_sees_is_shown_the_picture_and_the_file_is_kept(town: Rig) -> None:
    town.model.reply = lambda _: "A cat."
    await give_senses(town)
    await share(town, "cat.png", CAT, "image/png", text="what is this?")
    assert await town.replies(1, timeout=40) == ["A cat."]
    words, picture = asked(town)
    line = f"[picture: cat.png, image/png, {len(CAT)} bytes]"
    assert words == {"type": "text", "text": f"what is this?\n{line}"}
    assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert remembered(town) == [f"what is this?\n{line}"]
    kept = town.settings.home / "media" / str(tenant_id("acme")) / sha256(CAT).hexdigest()
    assert kept.read_bytes() == CAT


async def test_a_deleted_message_takes_its_file_along_unless_another_has_the_same(town: Rig) -> None:
    town.model.reply = lambda _: "A cat."
    await give_senses(town)
    kept = town.settings.home / "media" / str(tenant_id("acme")) / sha256(CAT).hexdigest()
    for number in (1, 2):
        await share(town, "cat.png", CAT, "image/png", text=f"cat number {number}")
        await town.replies(number, timeout=40)
    first, second = (m.ts for m in town.slack.messages("D0ALICE") if m.user != APP.bot_user)
    for ts, left in ((first, 1), (second, 0)):
        await town.slack.people.delete(ts)
        async with asyncio.timeout(10):
            while len(remembered(town)) != left:
                await asyncio.sleep(0.02)
        assert kept.exists() is bool(left)


async def test_a_message_deleted_while_its_answer_is_thought_takes_its_file_along(town: Rig) -> None:
    town.model.fault("delay", seconds=3)
    await share(town, "cat.png", CAT, "image/png", text="what is this?")
    kept = kept_cat(town)
    await until(lambda: town.model.calls == 1 and kept.exists(), 20)
    (said,) = town.slack.messages("D0ALICE")
    await town.slack.people.delete(said.ts)
    await until(lambda: not kept.exists(), 20)
    await town.slack.people.say("hello")
    assert await town.replies(1) == ["You said: hello"]
    assert not kept.exists()


async def test_a_file_stays_while_another_conversation_is_answered_that_came_with_it(town: Rig) -> None:
    await share(town, "cat.png", CAT, "image/png", text="what is this?")
    await town.replies(1, timeout=40)
    mine = town.slack.messages("D0ALICE")[0]
    kept = kept_cat(town)
    town.model.fault("delay", seconds=3)
    await share(town, "cat.png", CAT, "image/png", text="and this?", channel="D0BOB", user="U0BOB")
    await until(lambda: town.model.calls == 2, 20)
    await town.slack.people.delete(mine.ts)
    await until(lambda: len(remembered(town)) == 0, 20)
    assert kept.exists()
    await town.replies(1, "D0BOB")
    await town.slack.people.delete(town.slack.messages("D0BOB")[0].ts, channel="D0BOB")
    await until(lambda: not kept.exists(), 20)


@asynccontextmanager
async def cat_on_its_way(town: Rig, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncio.Event]:
    """Alice has sent a cat, and the store keeps it when the event is set."""
    put, arrived, may_go_on = MediaStore.put, asyncio.Event(), asyncio.Event()

    async def slowly(store: MediaStore, tenant: UUID, content: bytes) -> str:
        arrived.set()
        await may_go_on.wait()
        return await put(store, tenant, content)

    monkeypatch.setattr(MediaStore, "put", slowly)
    await share(town, "cat.png", CAT, "image/png", text="what is this?")
    async with asyncio.timeout(20):
        await arrived.wait()
    yield may_go_on
    monkeypatch.undo()


async def test_a_file_that_is_being_kept_while_its_sender_is_forgotten_goes_too(
    town: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cat_on_its_way(town, monkeypatch) as may_go_on:
        await forget_person(town.database, open_store(town.settings), ALICE)
        may_go_on.set()
        await until_quiet(town)
    assert not kept_cat(town).exists()
    assert not rows(town, "select 1 from inbox where body ? 'files'")


async def test_a_file_of_a_turn_that_ends_while_its_sender_is_forgotten_goes_too_unless_another_has_it(
    town: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing_yet(_database: Database, _person: Person) -> list[str]:
        return []

    monkeypatch.setattr(erasure, "files_of", nothing_yet)
    for number, (user, channel) in enumerate([("U0BOB", "D0BOB"), ("U0ALICE", "D0ALICE")]):
        await share(town, "cat.png", CAT, "image/png", text="what is this?", user=user, channel=channel)
        await share(town, f"{number}.txt", str(number).encode(), "text/plain", user=user, channel=channel)
        await until(lambda channel=channel: len(town.slack.messages(channel)) >= 3, 40)
    await until_quiet(town)
    await forget_person(town.database, open_store(town.settings), ALICE)
    await until_quiet(town)
    left = {file.name for file in kept_cat(town).parent.iterdir()}
    assert left == {sha256(CAT).hexdigest(), sha256(b"0").hexdigest()}


async def test_a_file_that_is_being_kept_while_its_tenant_is_erased_goes_too(
    town: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)
        may_go_on.set()
        await until(lambda: kept_cat(town).exists(), 10)

    async with cat_on_its_way(town, monkeypatch) as may_go_on:
        await forget_tenant(town.database, open_store(town.settings), tenant_id("acme"), pause)
    assert waited[0] > STORE_SECONDS
    assert not kept_cat(town).exists()


def kept_cat(town: Rig) -> Path:
    return town.settings.home / "media" / str(tenant_id("acme")) / sha256(CAT).hexdigest()


async def test_a_picture_can_be_asked_about_once_more_and_not_forever(town: Rig) -> None:
    town.model.reply = lambda _: "A cat."
    await give_senses(town)
    await share(town, "cat.png", CAT, "image/png", text="what is this?")
    await town.replies(1, timeout=40)
    shown = []
    for number in range(2, 8):
        await town.slack.people.say("and what colour is it?")
        await town.replies(number)
        shown.append([part["type"] for part in asked(town)] if isinstance(asked(town), list) else [])
    assert shown == [["text", "image_url"]] * 4 + [[], []]


async def test_a_model_that_does_not_see_is_told_of_the_picture(town: Rig) -> None:
    await share(town, "cat.png", CAT, "image/png")
    await town.replies(1)
    assert asked(town) == f"[picture: cat.png, image/png, {len(CAT)} bytes]"


async def test_a_document_is_read_and_what_cannot_be_read_still_has_an_answer(town: Rig) -> None:
    await share(town, "offer.docx", files.docx("Total: 40 euros"), "application/msword", text="what does it cost?")
    await town.replies(1)
    assert "Total: 40 euros" in asked(town)
    await share(town, "bomb.png", files.huge_png(50_000, 50_000), "image/png")
    await town.replies(2)
    assert asked(town) == ("[a picture that cannot be read: bomb.png: it has 50000 x 50000 pixels, which is too many]")


async def test_a_recording_is_written_down_and_its_words_count_for_the_rules(town: Rig) -> None:
    await give_senses(town)
    await share(town, "audio.m4a", b"\0\0\0\x18ftypM4A " + bytes(2_000), "audio/mp4")
    assert await town.replies(1, timeout=40) == ["A colleague will look at it."]
    assert "Where is my order?" in remembered(town)[0]


async def test_the_words_of_a_document_do_not_count_for_the_rules(town: Rig) -> None:
    await give_senses(town)
    await share(town, "terms.txt", b"You may cancel an order.", "text/plain", text="please read")
    assert (await town.replies(1, timeout=40))[0].startswith("You said: please read")


async def test_a_message_that_joins_while_files_are_read_is_answered_with_them(town: Rig) -> None:
    await share(town, "a.txt", b"first", "text/plain", text="one")
    await asyncio.sleep(0.05)
    await town.slack.people.say("two")
    async with asyncio.timeout(15):
        while not any("two" in text for text in await town.texts()):
            await asyncio.sleep(0.05)
    assert "first" in "\n".join(remembered(town))
    assert remembered(town)[-1] == "two"


@pytest.mark.parametrize("restart", [True, False])
async def test_a_file_outlives_the_host_that_was_to_read_it(town: Rig, *, restart: bool) -> None:
    town.deaf = True
    await share(town, "a.txt", b"remember me", "text/plain")
    if restart:
        await town.stop_host(town.hosts[0])
        await town.start_host()
    await town.replies(1)
    assert "remember me" in asked(town)

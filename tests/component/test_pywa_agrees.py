"""pywa, a client of WhatsApp's that others wrote, against the simulated WhatsApp: it parses, verifies and sends."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pywa import WhatsApp, handlers, utils
from pywa.errors import ReEngagementMessage, WhatsAppError
from pywa.types import Button, Section, SectionList, SectionRow

from simulator import Fault, Number, WhatsAppSimulator
from simulator.whatsapp.people.acting import ANNA
from tests.hook import Hook, hooked

pytestmark = pytest.mark.asyncio
ACME = Number()
HEARD = (
    handlers.MessageHandler,
    handlers.EditedMessageHandler,
    handlers.DeletedMessageHandler,
    handlers.CallbackButtonHandler,
    handlers.CallbackSelectionHandler,
    handlers.MessageStatusHandler,
    handlers.PhoneNumberChangeHandler,
    handlers.OutgoingMessageHandler,
    handlers.UserMarketingPreferencesHandler,
    handlers.TemplateStatusUpdateHandler,
    handlers.AccountUpdateHandler,
    handlers.FlowCompletionHandler,
)


class Elsewhere(httpx.HTTPTransport):
    """Takes what is meant for Meta to the simulator: pywa knows one address only."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = httpx.URL(address)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        to = self.address
        request.url = request.url.copy_with(scheme=to.scheme, host=to.host, port=to.port)
        return super().handle_request(request)


@pytest_asyncio.fixture
async def hook() -> AsyncIterator[Hook]:
    async with hooked() as hook:
        yield hook


@pytest_asyncio.fixture
async def whatsapp(hook: Hook) -> AsyncIterator[WhatsAppSimulator]:
    async with WhatsAppSimulator([ACME], webhook=f"{hook.url}/whatsapp/webhook", retry_seconds=()) as simulator:
        yield simulator


@pytest.fixture
def heard() -> list[Any]:
    return []


@pytest.fixture
def client(whatsapp: WhatsAppSimulator, heard: list[Any]) -> WhatsApp:
    client = WhatsApp(
        ACME.phone_number_id,
        ACME.access_token,
        session=httpx.Client(transport=Elsewhere(whatsapp.address)),
        server=None,
        verify_token=ACME.verify_token,
        app_secret=ACME.app_secret,
        filter_updates=False,
    )
    client.add_handlers(*(kind(lambda _, update: heard.append(update)) for kind in HEARD))
    return client


def read(client: WhatsApp, hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    """Let pywa verify and parse everything the webhook got; it logs an error where it cannot."""
    with caplog.at_level(logging.WARNING, logger="pywa"):
        for _, headers, body in hook.requests:
            assert client.webhook_update_validator(body, headers[utils.HUB_SIG]) is None
            assert client.webhook_update_handler(body) == ("ok", 200)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("pywa")] == []
    hook.clear()


async def test_pywa_verifies_our_signatures_and_no_others(
    client: WhatsApp, whatsapp: WhatsAppSimulator, hook: Hook
) -> None:
    await whatsapp.say("hi")
    _, headers, body = hook.requests[0]
    assert client.webhook_update_validator(body, headers[utils.HUB_SIG]) is None
    assert client.webhook_update_validator(body + b" ", headers[utils.HUB_SIG]) == ("Forbidden", 403)


async def test_pywa_reads_all_that_people_write(
    client: WhatsApp, whatsapp: WhatsAppSimulator, hook: Hook, heard: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    people = whatsapp.people
    first = (await whatsapp.say("hi")).ts
    await whatsapp.say("again", quote=first, forwarded="forwarded")
    for kind in ("image", "video", "document", "audio"):
        await people.share(kind, "content", caption="" if kind == "audio" else "look", voice=kind == "audio")
    await people.share("sticker", "webp")
    await people.locate(52.4, 4.9, name="Home")
    await people.introduce("Barbara Johnson")
    await people.order({"sku-1": 2}, text="quick")
    await people.react(first, "👍")
    await people.react(first, "")
    await people.send_unsupported()
    read(client, hook, caplog)
    kinds = ["text", "text", "image", "video", "document", "audio", "sticker", "location", "contacts", "order"]
    assert [message.type.value for message in heard] == [*kinds, "reaction", "reaction", "unsupported"]
    assert (heard[0].text, heard[0].from_user.wa_id, heard[0].from_user.name) == ("hi", ANNA, "Anna")
    assert heard[0].from_user.bsuid == "DE.13491208655302741918"
    assert (heard[1].reply_to_message.id, heard[1].forwarded) == (first, True)
    assert (heard[2].caption, heard[5].audio.voice) == ("look", True)
    assert (heard[7].location.name, heard[8].contacts[0].name.formatted_name) == ("Home", "Barbara Johnson")
    assert (heard[9].order.products[0].quantity, heard[10].reaction.emoji, heard[11].reaction.emoji) == (2, "👍", None)


async def test_pywa_reads_changes_choices_and_notices(
    client: WhatsApp, whatsapp: WhatsAppSimulator, hook: Hook, heard: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    first = (await whatsapp.say("helo")).ts
    buttons = [Button("Yes", "yes"), Button("No", "no")]
    rows = SectionList("Choose", [Section("All", [SectionRow("One", "1", "the first")])])
    asked = await asyncio.to_thread(client.send_message, ANNA, "Which?", buttons=buttons)
    listed = await asyncio.to_thread(client.send_message, ANNA, "Which?", buttons=rows, tracker="turn-1")
    await whatsapp.settle()
    hook.requests = hook.requests[1:]
    read(client, hook, caplog)
    # Two messages' statuses may mix; each message's own stay in order.
    for sent in (asked, listed):
        assert [s.status.value for s in heard if s.id == sent.id] == ["sent", "delivered", "read"]
    assert {(s.tracker, s.pricing.billable) for s in heard if s.id == listed.id} == {("turn-1", True)}
    heard.clear()
    await whatsapp.people.choose(asked.id, "Yes")
    await whatsapp.people.choose(listed.id, "One")
    await whatsapp.people.edit(first, "hello")
    await whatsapp.people.revoke(first)
    await whatsapp.admin.echo("This is Ben")
    await whatsapp.admin.prefer("stop")
    await whatsapp.admin.update_account("ACCOUNT_RESTRICTION", restriction_info=[])
    await whatsapp.people.change_number("4917000000000")
    read(client, hook, caplog)
    assert [type(update).__name__ for update in heard] == [
        "CallbackButton",
        "CallbackSelection",
        "EditedMessage",
        "DeletedMessage",
        "OutgoingMessage",
        "UserMarketingPreferences",
        "AccountUpdate",
        "PhoneNumberChange",
    ]
    assert (heard[0].data, heard[1].data, heard[1].description) == ("yes", "1", "the first")
    assert (heard[2].original_message_id, heard[2].message.text) == (first, "hello")
    assert heard[3].original_message_id == first


async def test_pywa_reads_people_without_a_phone_number(
    client: WhatsApp, whatsapp: WhatsAppSimulator, hook: Hook, heard: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    for shown, user_id in (("absent", "DE.1001"), ("empty", "DE.1002")):
        whatsapp.people.meet(f"Bo {shown}", phone="49151", user_id=user_id, username="bo", phone_shown=shown)
        await whatsapp.say("hi", sender=f"Bo {shown}")
    read(client, hook, caplog)
    assert [(message.from_user.bsuid, message.from_user.wa_id) for message in heard] == [
        ("DE.1001", None),
        ("DE.1002", None),
    ]
    sent = await asyncio.to_thread(client.send_message, "DE.1001", "Hello Bo")
    assert (whatsapp.log[-1].text, whatsapp.log[-1].channel, whatsapp.log[-1].ts) == ("Hello Bo", "DE.1001", sent.id)


async def test_pywa_sends_what_a_person_then_reads(client: WhatsApp, whatsapp: WhatsAppSimulator) -> None:
    theirs = (await whatsapp.say("hi")).ts

    def work() -> None:
        client.send_message(ANNA, "Hello", reply_to_message_id=theirs)
        client.send_reaction(ANNA, "👍", theirs)
        client.mark_message_as_read(theirs)
        client.indicate_typing(theirs)
        client.send_document(ANNA, b"%PDF", filename="a.pdf", caption="Here", mime_type="application/pdf")

    await asyncio.to_thread(work)
    seen = [(entry.kind, entry.text) for entry in whatsapp.log[1:]]
    assert seen == [
        ("message", "Hello"),
        ("reaction", "👍"),
        ("read", ""),
        ("read", ""),
        ("status", "typing"),
        ("message", "Here"),
    ]
    assert (whatsapp.log[1].thread_ts, (whatsapp.log[-1].files or [])[0]["size"]) == (theirs, 4)


async def test_pywa_downloads_what_a_person_sent(
    client: WhatsApp, whatsapp: WhatsAppSimulator, hook: Hook, heard: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    await whatsapp.people.share("image", "jpeg bytes")
    read(client, hook, caplog)
    found = await asyncio.to_thread(client.get_media_url, heard[0].image.id)
    assert (found.file_size, found.mime_type) == (10, "image/jpeg")
    assert await asyncio.to_thread(found.get_bytes) == b"jpeg bytes"


async def test_pywa_names_our_errors_as_metas(client: WhatsApp, whatsapp: WhatsAppSimulator) -> None:
    with pytest.raises(ReEngagementMessage):
        await asyncio.to_thread(client.send_message, "15550001111", "hello")
    await whatsapp.say("hi")
    whatsapp.faults.rules.append(Fault("refuse", error="131056"))
    with pytest.raises(WhatsAppError) as refused:
        await asyncio.to_thread(client.send_message, ANNA, "hello")
    assert refused.value.code == 131056

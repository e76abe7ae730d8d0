"""The simulated WhatsApp's Graph API: what may be sent, to whom, when, and what a person then reads."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from simulator import Fault, Number, WhatsAppSimulator
from simulator.whatsapp.people.acting import ANNA

pytestmark = pytest.mark.asyncio
ACME = Number()
ANNAS_ID = "DE.13491208655302741918"


class Business:
    """Calls the Graph API as the business does."""

    def __init__(self, whatsapp: WhatsAppSimulator, session: aiohttp.ClientSession) -> None:
        self.whatsapp = whatsapp
        self.session = session
        self.headers = {"Authorization": f"Bearer {ACME.access_token}"}

    async def send(self, **body: Any) -> dict[str, Any]:
        whole = {"messaging_product": "whatsapp", "to": ANNA, **body}
        url = f"{self.whatsapp.url}{ACME.phone_number_id}/messages"
        async with self.session.post(url, json=whole, headers=self.headers) as answer:
            return dict(await answer.json())

    async def text(self, text: str, **more: Any) -> dict[str, Any]:
        return await self.send(type="text", text={"body": text}, **more)

    async def error(self, **body: Any) -> int:
        return int((await self.send(**body))["error"]["code"])


@pytest_asyncio.fixture
async def whatsapp() -> AsyncIterator[WhatsAppSimulator]:
    async with WhatsAppSimulator([ACME], retry_seconds=(), statuses=[]) as simulator:
        yield simulator


@pytest_asyncio.fixture
async def business(whatsapp: WhatsAppSimulator) -> AsyncIterator[Business]:
    async with aiohttp.ClientSession() as session:
        await whatsapp.say("hi")
        yield Business(whatsapp, session)


def buttons(*titles: str) -> dict[str, Any]:
    offered = [{"type": "reply", "reply": {"id": f"b{n}", "title": title}} for n, title in enumerate(titles)]
    return {"type": "button", "body": {"text": "Which one?"}, "action": {"buttons": offered}}


async def test_a_text_is_read_and_its_answer_names_it(business: Business, whatsapp: WhatsAppSimulator) -> None:
    quoted = whatsapp.log[0].ts
    answer = await business.text("Hello", biz_opaque_callback_data="turn-1", context={"message_id": quoted})
    assert answer["contacts"] == [{"input": ANNA, "wa_id": ANNA, "user_id": ANNAS_ID}]
    entry = whatsapp.log[-1]
    assert (entry.kind, entry.text, entry.channel, entry.by_app) == ("message", "Hello", ANNA, True)
    assert (entry.ts, entry.thread_ts, entry.client_msg_id) == (answer["messages"][0]["id"], quoted, "turn-1")
    assert [message.text for message in whatsapp.messages(ANNA)] == ["hi", "Hello"]


async def test_outside_the_window_only_templates_go(business: Business, whatsapp: WhatsAppSimulator) -> None:
    template = {"name": "follow_up", "language": {"code": "en"}}
    assert await business.error(to="15550001111", type="text", text={"body": "x"}) == 131047
    whatsapp.clock.advance(86_401)
    assert await business.error(type="text", text={"body": "x"}) == 131047
    assert (await business.send(type="template", template=template))["messages"][0]["message_status"] == "accepted"
    await whatsapp.say("me again")
    assert "messages" in await business.text("x")
    whatsapp.clock.advance(86_401)
    await whatsapp.people.call()
    assert "messages" in await business.text("x")


async def test_a_user_id_is_written_to_as_recipient(business: Business, whatsapp: WhatsAppSimulator) -> None:
    whatsapp.people.meet("Bo", user_id="US.42", phone_shown="absent")
    await whatsapp.say("hi", sender="Bo")
    answer = await business.send(to=None, recipient="US.42", type="text", text={"body": "Hello"})
    assert answer["contacts"] == [{"input": "US.42", "user_id": "US.42"}]
    assert whatsapp.log[-1].channel == "US.42"
    assert await business.error(to="US.42", type="text", text={"body": "x"}) == 100
    whatsapp.options.user_id_in_to = True
    assert "messages" in await business.send(to="US.42", type="text", text={"body": "Hello"})
    both = await business.send(recipient="US.42", type="text", text={"body": "the phone wins"})
    assert both["contacts"][0]["wa_id"] == ANNA


async def test_buttons_and_lists_have_whatsapps_limits(business: Business, whatsapp: WhatsAppSimulator) -> None:
    assert "messages" in await business.send(type="interactive", interactive=buttons("Yes", "No", "Maybe"))
    assert (whatsapp.log[-1].text, [choice["title"] for choice in whatsapp.log[-1].blocks or []]) == (
        "Which one?",
        ["Yes", "No", "Maybe"],
    )
    for wrong in (buttons("1", "2", "3", "4"), buttons("x" * 21), buttons("same", "same"), buttons()):
        assert await business.error(type="interactive", interactive=wrong) == 131009
    rows = [{"id": f"r{n}", "title": f"Row {n}"} for n in range(10)]
    asked = {"type": "list", "body": {"text": "?"}, "action": {"button": "Choose", "sections": [{"rows": rows}]}}
    assert "messages" in await business.send(type="interactive", interactive=asked)
    rows.append({"id": "r10", "title": "Row 10"})
    assert await business.error(type="interactive", interactive=asked) == 131009


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"type": "text", "text": {"body": "x" * 4097}}, 100),
        ({"type": "text", "text": {"body": " "}}, 131008),
        ({"type": "text"}, 131008),
        ({"type": "poll", "poll": {}}, 100),
        ({"type": "image", "image": {"id": "1"}}, 100),
        ({"type": "image", "image": {"link": "https://x.example/a", "caption": "x" * 1025}}, 100),
        ({"type": "reaction", "reaction": {"message_id": "wamid.none", "emoji": "👍"}}, 131009),
        ({"type": "text", "text": {"body": "x"}, "messaging_product": "sms"}, 100),
        ({"type": "text", "text": {"body": "x"}, "biz_opaque_callback_data": "x" * 513}, 100),
        ({"type": "text", "text": {"body": "x"}, "to": None}, 131008),
        ({"status": "read", "message_id": "wamid.none"}, 131009),
    ],
)
async def test_what_makes_no_sense_is_refused(business: Business, body: dict[str, Any], code: int) -> None:
    assert await business.error(**body) == code


async def test_a_reaction_a_receipt_and_typing_are_seen(business: Business, whatsapp: WhatsAppSimulator) -> None:
    theirs = whatsapp.log[0].ts
    await business.send(status="read", message_id=theirs, typing_indicator={"type": "text"}, to=None)
    await business.send(type="reaction", reaction={"message_id": theirs, "emoji": "👍"})
    await business.send(type="reaction", reaction={"message_id": theirs, "emoji": ""})
    seen = [(entry.kind, entry.ts, entry.text) for entry in whatsapp.log[1:]]
    assert seen == [
        ("read", theirs, ""),
        ("status", theirs, "typing"),
        ("reaction", theirs, "👍"),
        ("reaction_removed", theirs, ""),
    ]
    assert await business.error(type="reaction", reaction={"message_id": theirs, "emoji": "ok"}) == 131009


async def test_known_templates_are_checked(business: Business, whatsapp: WhatsAppSimulator) -> None:
    whatsapp.options.templates = {
        "two": {"parameters": 2},
        "paused": {"status": "PAUSED"},
        "login": {"category": "AUTHENTICATION"},
    }

    async def sent(name: str, *parameters: str, **more: Any) -> Any:
        body = {"type": "body", "parameters": [{"type": "text", "text": text} for text in parameters]}
        template = {"name": name, "language": {"code": "en"}, "components": [body]}
        answer = await business.send(type="template", template=template, **more)
        return answer.get("error", {}).get("code")

    assert await sent("two", "a", "b") is None
    assert whatsapp.log[-1].text == "two(a, b)"
    assert await sent("two", "a") == 132000
    assert await sent("two", "a", "b\nc") == 100
    assert await sent("none") == 132001
    assert await sent("paused") == 132015
    assert await sent("login", to=None, recipient=ANNAS_ID) == 131062


async def test_tokens_open_only_their_own_number(business: Business, whatsapp: WhatsAppSimulator) -> None:
    business.headers = {"Authorization": "Bearer wrong"}
    assert await business.error(type="text", text={"body": "x"}) == 190
    whatsapp.world.numbers.append(Number("globex", phone_number_id="2", access_token="EAAG-globex"))
    business.headers = {"Authorization": "Bearer EAAG-globex"}
    answer = await business.text("x")
    assert (answer["error"]["code"], answer["error"]["error_subcode"]) == (100, 33)


async def test_faults_speak_metas_language(business: Business, whatsapp: WhatsAppSimulator) -> None:
    whatsapp.faults.rules += [
        Fault("refuse", error="131056"),
        Fault("rate_limit"),
        Fault("rate_limit", error="80007"),
        Fault("refuse", error="190"),
    ]
    codes = [await business.error(type="text", text={"body": "x"}) for _ in range(4)]
    assert codes == [131056, 130429, 80007, 190]
    assert whatsapp.api.calls["messages", "131056"] == 1
    whatsapp.faults.rules.append(Fault("rate_limit", retry_after=7))
    url = f"{whatsapp.url}{ACME.phone_number_id}/messages"
    async with business.session.post(url, json={}, headers=business.headers) as limited:
        assert (limited.status, limited.headers["Retry-After"]) == (429, "7")
    whatsapp.faults.rules += [Fault("server_error", status=502), Fault("close_after_delivery")]
    with pytest.raises(aiohttp.ContentTypeError):
        await business.text("lost")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await business.text("delivered")
    assert [entry.text for entry in whatsapp.log] == ["hi", "delivered"]


async def test_too_many_messages_to_one_person_are_refused(business: Business, whatsapp: WhatsAppSimulator) -> None:
    whatsapp.options.pair_rate = 2
    assert [(await business.text("x")).get("error", {}).get("code") for _ in range(3)] == [None, None, 131056]
    whatsapp.clock.advance(61)
    assert "messages" in await business.text("x")


async def test_media_is_found_by_its_id_for_five_minutes_at_each_url(
    business: Business, whatsapp: WhatsAppSimulator
) -> None:
    form = aiohttp.FormData({"messaging_product": "whatsapp", "type": "application/pdf"})
    form.add_field("file", b"%PDF", filename="a.pdf", content_type="application/pdf")
    session, headers = business.session, business.headers
    async with session.post(f"{whatsapp.url}{ACME.phone_number_id}/media", data=form, headers=headers) as answer:
        media_id = (await answer.json())["id"]
    sent = await business.send(type="document", document={"id": media_id, "filename": "a.pdf", "caption": "Here"})
    assert "messages" in sent
    assert (whatsapp.log[-1].text, (whatsapp.log[-1].files or [])[0]["size"]) == ("Here", 4)
    async with session.get(f"{whatsapp.url}{media_id}", headers=headers) as answer:
        found = await answer.json()
    assert (found["file_size"], len(found["sha256"]), found["mime_type"]) == (4, 64, "application/pdf")
    async with session.get(found["url"], headers=headers) as answer:
        assert await answer.read() == b"%PDF"
    async with session.get(found["url"]) as answer:
        assert answer.status == 401
    whatsapp.clock.advance(301)
    async with session.get(found["url"], headers=headers) as answer:
        assert answer.status == 404
    whatsapp.options.redirect_media_to = "http://elsewhere.example/"
    async with session.get(f"{whatsapp.url}{media_id}", headers=headers) as answer:
        found = await answer.json()
    async with session.get(found["url"], headers=headers, allow_redirects=False) as answer:
        assert answer.status == 302
    async with session.delete(f"{whatsapp.url}{media_id}", headers=headers) as answer:
        assert answer.status == 200
    async with session.get(f"{whatsapp.url}{media_id}", headers=headers) as answer:
        assert answer.status == 400

"""What people do in the simulated WhatsApp, as an app's webhook sees it."""

import hashlib
import hmac
from base64 import b64decode
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from simulator import WhatsAppSimulator
from simulator.whatsapp.people.acting import ANNA
from tests.hook import Hook, hooked
from tests.meta import ACME, GLOBEX, messages, send, values

pytestmark = pytest.mark.asyncio
ANNAS_ID = "DE.13491208655302741918"


@pytest_asyncio.fixture
async def hook() -> AsyncIterator[Hook]:
    async with hooked() as hook:
        yield hook


@pytest_asyncio.fixture
async def whatsapp(hook: Hook) -> AsyncIterator[WhatsAppSimulator]:
    async with WhatsAppSimulator(
        [ACME, GLOBEX], webhook=f"{hook.url}/whatsapp/webhook", retry_seconds=(0, 10, 20), retry_scale=0.001
    ) as simulator:
        yield simulator


async def test_every_webhook_is_signed_over_its_raw_body(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    said = await whatsapp.say("Grüße 👋")
    assert (said.status, said.reason, said.team, said.channel) == (200, "", ACME.phone_number_id, ANNA)
    path, headers, body = hook.requests[0]
    wanted = hmac.new(ACME.app_secret.encode(), body, hashlib.sha256).hexdigest()
    assert (path, headers["X-Hub-Signature-256"]) == ("/whatsapp/webhook", f"sha256={wanted}")
    (value,) = values(hook)
    assert value["metadata"]["phone_number_id"] == ACME.phone_number_id
    assert value["contacts"] == [{"profile": {"name": "Anna"}, "wa_id": ANNA, "user_id": ANNAS_ID}]
    (message,) = value["messages"]
    assert (message["from"], message["from_user_id"], message["text"]["body"]) == (ANNA, ANNAS_ID, "Grüße 👋")
    assert message["id"] == said.ts


@pytest.mark.parametrize(("shown", "seen"), [("absent", None), ("empty", "")])
async def test_a_phone_number_may_be_absent_or_empty(
    whatsapp: WhatsAppSimulator, hook: Hook, shown: str, seen: str | None
) -> None:
    whatsapp.people.meet(
        "Bo", phone="4915100000000", user_id="DE.7", parent_user_id="DE.ENT.7", username="bo", phone_shown=shown
    )
    await whatsapp.say("hi", sender="Bo")
    (value,) = values(hook)
    assert (value["contacts"][0].get("wa_id"), value["messages"][0].get("from")) == (seen, seen)
    assert value["contacts"][0]["profile"] == {"name": "Bo", "username": "bo"}
    assert value["messages"][0]["from_parent_user_id"] == "DE.ENT.7"


async def test_media_arrives_with_its_checksum(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    await whatsapp.people.share("audio", "ogg", voice=True)
    await whatsapp.people.share("document", "pdf", filename="a.pdf", caption="Here")
    audio, document = messages(hook)
    assert (audio["type"], audio["audio"]["voice"]) == ("audio", True)
    assert b64decode(audio["audio"]["sha256"]) == hashlib.sha256(b"ogg").digest()
    assert (document["document"]["filename"], document["document"]["caption"]) == ("a.pdf", "Here")
    assert [(entry.text, bool(entry.files)) for entry in whatsapp.log] == [("", True), ("Here", True)]


async def test_all_other_kinds_of_messages_arrive(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    people = whatsapp.people
    await people.locate(52.4, 4.9, name="Home")
    await people.introduce("Barbara Johnson")
    await people.order({"sku-1": 2}, text="quick")
    await people.send_unsupported()
    await people.open_chat()
    await people.share("sticker", "webp", animated=True)
    kinds = ["location", "contacts", "order", "unsupported", "request_welcome", "sticker"]
    assert [message["type"] for message in messages(hook)] == kinds
    assert messages(hook)[1]["contacts"][0]["name"]["formatted_name"] == "Barbara Johnson"
    assert messages(hook)[2]["order"]["product_items"][0]["quantity"] == 2
    assert messages(hook)[3]["errors"][0]["code"] == 131051


async def test_quotes_forwards_adverts_and_groups_are_marked(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    first = (await whatsapp.say("one")).ts
    await whatsapp.say("two", quote=first, forwarded="frequently_forwarded", product="sku-1")
    await whatsapp.say("three", referral={"headline": "Sale", "ctwa_clid": "x"}, group="g1")
    _, two, three = messages(hook)
    assert (two["context"]["id"], two["context"]["frequently_forwarded"]) == (first, True)
    assert two["context"]["referred_product"]["product_retailer_id"] == "sku-1"
    assert (three["referral"]["headline"], three["group_id"]) == ("Sale", "g1")


async def test_reactions_edits_and_revocations_name_their_message(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    first = (await whatsapp.say("helo")).ts
    await whatsapp.people.react(first, "👍")
    await whatsapp.people.react(first, "")
    await whatsapp.people.edit(first, "hello")
    await whatsapp.people.revoke(first)
    _, added, removed, edited, revoked = messages(hook)
    assert (added["reaction"], removed["reaction"]["emoji"]) == ({"message_id": first, "emoji": "👍"}, "")
    assert edited["edit"] == {
        "original_message_id": first,
        "message": {"type": "text", "text": {"body": "hello"}},
    }
    assert revoked["revoke"] == {"original_message_id": first}
    assert [entry.kind for entry in whatsapp.log] == ["message", "reaction", "reaction_removed", "edit", "delete"]
    assert whatsapp.messages(ANNA) == []


async def test_what_was_offered_can_be_chosen(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    await whatsapp.say("hi")
    button = {"type": "reply", "reply": {"id": "b1", "title": "Yes"}}
    asked = {"type": "button", "body": {"text": "?"}, "action": {"buttons": [button]}}
    sent = (await send(whatsapp, type="interactive", interactive=asked))["messages"][0]["id"]
    await whatsapp.people.choose(sent, "Yes")
    await whatsapp.people.fill_form(sent, {"size": "L"})
    await whatsapp.people.reply_to_template(sent, "Stop", payload="stop-1")
    chosen, form, pressed = messages(hook)[1:]
    assert chosen["interactive"] == {"type": "button_reply", "button_reply": {"id": "b1", "title": "Yes"}}
    assert chosen["context"] == {"from": ACME.display_phone_number, "id": sent}
    assert orjson.loads(form["interactive"]["nfm_reply"]["response_json"]) == {"size": "L"}
    assert pressed["button"] == {"payload": "stop-1", "text": "Stop"}
    with pytest.raises(LookupError, match="offers nothing"):
        await whatsapp.people.choose(sent, "No")


async def test_system_messages_have_no_contacts(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    await whatsapp.people.change_user_id("DE.2")
    await whatsapp.people.change_number("4917000000000", user_id="DE.3")
    await whatsapp.people.change_user_id("DE.4", sender="DE.3", as_field=True)
    first, second, third = values(hook)
    assert "contacts" not in first
    system = first["messages"][0]["system"]
    assert (system["type"], system["previous_user_id"], system["user_id"]) == ("user_changed_user_id", ANNAS_ID, "DE.2")
    system = second["messages"][0]["system"]
    assert (system["type"], system["wa_id"], system["previous_user_id"]) == (
        "user_changed_number",
        "4917000000000",
        "DE.2",
    )
    assert second["messages"][0]["from"] == ANNA
    assert third["user_id_update"][0]["user_id"] == {"previous": "DE.3", "current": "DE.4"}

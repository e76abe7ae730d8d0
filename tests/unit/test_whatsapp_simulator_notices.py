"""The simulated WhatsApp's statuses, batches, redeliveries and notices."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from simulator import Number, WhatsAppSimulator
from simulator.whatsapp.people.acting import ANNA
from tests.hook import Hook, hooked, until
from tests.meta import ACME, GLOBEX, messages, send, statuses, values

pytestmark = pytest.mark.asyncio


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


async def test_statuses_follow_a_message_and_carry_our_own_mark(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    await whatsapp.say("hi")
    sent = (await send(whatsapp, biz_opaque_callback_data="turn-1"))["messages"][0]["id"]
    told = statuses(hook)
    assert [status["status"] for status in told] == ["sent", "delivered", "read"]
    assert {status["id"] for status in told} == {sent}
    assert {status["biz_opaque_callback_data"] for status in told} == {"turn-1"}
    assert told[0]["recipient_id"] == ANNA
    assert told[0]["pricing"]["category"] == "service"


async def test_statuses_may_come_twice_and_in_any_order(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    whatsapp.options.duplicate_statuses = whatsapp.options.shuffle_statuses = True
    await whatsapp.say("hi")
    await send(whatsapp)
    words = [status["status"] for status in statuses(hook)]
    assert sorted(words) == sorted(["sent", "delivered", "read"] * 2)
    assert words != sorted(words, key=["sent", "delivered", "read"].index)


async def test_a_message_may_fail_after_it_was_accepted(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    await whatsapp.say("hi")
    whatsapp.options.failures = [131026]
    assert "messages" in await send(whatsapp)
    whatsapp.options.window_error = "status"
    whatsapp.clock.advance(90_000)
    assert "messages" in await send(whatsapp)
    assert [(status["status"], status["errors"][0]["code"]) for status in statuses(hook)] == [
        ("failed", 131026),
        ("failed", 131047),
    ]
    assert [entry.text for entry in whatsapp.log] == ["hi"]


async def test_a_batch_holds_several_tenants_numbers_and_messages(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    twin = Number("acme", phone_number_id="3", account=ACME.account, access_token="EAAG-3")
    whatsapp.world.numbers.append(twin)
    said = await whatsapp.batch(
        [
            {"act": "say", "text": "one"},
            {"act": "say", "text": "two", "sender": "4915100000001"},
            {"act": "say", "text": "three", "number": "3"},
            {"act": "say", "text": "four", "number": GLOBEX.phone_number_id},
            {"act": "echo", "text": "five"},
        ]
    )
    assert said.status == 200
    (body,) = hook.bodies
    assert [entry["id"] for entry in body["entry"]] == [ACME.account, GLOBEX.account]
    assert [change["field"] for change in body["entry"][0]["changes"]] == ["messages", "messages", "smb_message_echoes"]
    first = body["entry"][0]["changes"][0]["value"]
    assert [message["text"]["body"] for message in first["messages"]] == ["one", "two"]
    assert len(first["contacts"]) == 2


async def test_what_is_not_accepted_comes_again_with_the_same_body(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    hook.answers = [503, 201, 403]
    said = await whatsapp.say("hi")
    assert (said.status, said.reason) == (503, "http_error")
    await until(lambda: whatsapp.deliveries[0].acknowledged)
    assert [attempt.status for attempt in whatsapp.deliveries[0].attempts] == [503, 201, 403, 200]
    assert len({body for _, _, body in hook.requests}) == 1


async def test_notices_about_accounts_templates_and_people(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    await whatsapp.admin.update_account("ACCOUNT_RESTRICTION")
    await whatsapp.admin.update_template("follow_up", "PAUSED", reason="LOW_QUALITY")
    await whatsapp.admin.prefer("stop")
    await whatsapp.admin.echo("This is Ben")
    fields = [body["entry"][0]["changes"][0]["field"] for body in hook.bodies]
    assert fields == ["account_update", "message_template_status_update", "user_preferences", "smb_message_echoes"]
    assert values(hook)[0]["event"] == "ACCOUNT_RESTRICTION"
    echo = values(hook)[3]["message_echoes"][0]
    assert (echo["from"], echo["to"], echo["text"]["body"]) == (ACME.display_phone_number, ANNA, "This is Ben")
    assert (whatsapp.log[-1].text, whatsapp.log[-1].by_app) == ("This is Ben", True)


async def test_anything_can_be_told_with_a_wrong_signature_too(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    await whatsapp.admin.tell_bytes("{", signature="sha256=00")
    await whatsapp.admin.tell_raw("calls", {"calls": []})
    assert hook.requests[0][1]["X-Hub-Signature-256"] == "sha256=00"
    assert hook.requests[0][2] == b"{"


async def test_a_webhook_is_verified_with_a_challenge() -> None:
    async def answer(request: web.Request) -> web.Response:
        right = request.query["hub.verify_token"] == ACME.verify_token
        return web.Response(text=request.query["hub.challenge"], status=200 if right else 403)

    app = web.Application()
    app.router.add_get("/whatsapp/webhook", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/whatsapp/webhook"
    async with WhatsAppSimulator([ACME], webhook=url) as whatsapp:
        assert await whatsapp.admin.verify_webhook(challenge="42") == {"status": 200, "answer": "42", "challenge": "42"}
        assert (await whatsapp.admin.verify_webhook(token="wrong"))["status"] == 403
    await runner.cleanup()


async def test_every_act_can_be_asked_for_over_http(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    async with aiohttp.ClientSession() as session:

        async def ask(verb: str, name: str, **arguments: Any) -> dict[str, Any]:
            async with session.request(verb, f"{whatsapp.address}/_simulator/{name}", **arguments) as answer:
                return dict(await answer.json())

        said = await ask("POST", "say", json={"text": "hi"})
        assert (said["status"], said["channel"]) == (200, ANNA)
        assert (await ask("POST", "react", json={"message_id": said["ts"], "emoji": "👍"}))["ok"]
        assert not (await ask("POST", "say", json={"words": "hi"}))["ok"]
        assert (await ask("POST", "batch", json={"acts": [{"act": "say", "text": "a"}]}))["status"] == 200
        numbers = await ask("GET", "numbers")
        assert [number["tenant"] for number in numbers["numbers"]] == ["acme", "globex"]
        assert "secret" not in str(numbers)
        shown = await ask("GET", "messages", params={"person": ANNA})
        assert [message["text"] for message in shown["messages"]] == ["hi", "a"]
        assert (await ask("POST", "clock", json={"advance_seconds": 5}))["ahead_seconds"] == 5
        assert (await ask("POST", "meet", json={"name": "Bo", "user_id": "US.1"}))["user_id"] == "US.1"
        assert (await ask("POST", "options", json={"pair_rate": 3}))["options"]["pair_rate"] == 3
        assert (await ask("POST", "reset"))["ok"]
    assert whatsapp.log == []
    assert len(messages(hook)) == 3

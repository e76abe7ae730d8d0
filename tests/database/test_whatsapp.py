"""WhatsApp from end to end: what people write, over real webhooks, to what they read."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from simulator.whatsapp.notifier import signed
from simulator.whatsapp.people.acting import ANNA
from tests.whatsapp_rig import ACME, GLOBEX, WhatsAppRig, whatsapp_rig


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[WhatsAppRig]:
    async with whatsapp_rig(database_url, tmp_path) as whole:
        yield whole


def batch(*messages: dict[str, Any], number: str = ACME.phone_number_id, **value: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "1", "phone_number_id": number}
    told = {"messaging_product": "whatsapp", "metadata": metadata, **({"messages": messages} if messages else {})}
    return {"id": "waba", "changes": [{"field": "messages", "value": told | value}]}


def text(body: str, n: int = 1, sender: str = ANNA) -> dict[str, Any]:
    return {"from": sender, "id": f"wamid.{n}", "timestamp": "1793000000", "type": "text", "text": {"body": body}}


def whole(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode()


async def post(k: WhatsAppRig, body: bytes, secret: str = ACME.app_secret) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{k.rig.url}/whatsapp/webhook", data=body, headers=signed(secret, body)) as answer,
    ):
        return answer.status


async def test_a_question_is_read_and_answered_and_its_answer_reported(k: WhatsAppRig) -> None:
    k.rig.model.fault("delay", seconds=0.6)
    await k.whatsapp.say("Are you open?")
    assert await k.replies(1) == ["You said: Are you open?"]
    assert [entry.text for entry in k.seen("status")] == ["typing"]
    await k.becomes("select state, delivery, external_id from outbox", [("sent", "read", k.answers()[0].id)])


async def test_a_message_delivered_many_times_at_once_is_answered_once(k: WhatsAppRig) -> None:
    statuses = await asyncio.gather(*(post(k, whole(batch(text("hello")))) for _ in range(50)))
    assert set(statuses) == {200}
    await k.becomes("select count(*), min(state) from inbox", [(1, "answered")])
    await asyncio.sleep(0.3)
    assert k.rig.model.calls == 1
    assert await post(k, whole(batch(text("hello")))) == 200
    assert k.rows("select count(*) from inbox") == [(1,)]


async def test_a_mixed_batch_is_stored_whole_and_its_broken_part_kept(k: WhatsAppRig) -> None:
    body = whole(
        batch(text("one", 1, "491"), {"id": "wamid.x", "type": "text"}, text("two", 2, "492")),
        batch(statuses=[{"id": "wamid.unknown", "status": "read", "timestamp": "1"}]),
        batch(text("three", 3, "491")),
    )
    assert await post(k, body) == 200
    assert k.rows("select count(*) from inbox") == [(3,)]
    assert k.rows("select count(*) from malformed_events") == [(1,)]
    await k.becomes("select count(*) from conversations", [(2,)])


async def test_a_batch_of_two_tenants_reaches_only_whose_secret_signed_it(k: WhatsAppRig) -> None:
    mixed = whole(batch(text("for acme", 1)), batch(text("for globex", 2), number=GLOBEX.phone_number_id))
    assert await post(k, mixed, GLOBEX.app_secret) == 200
    assert k.rows("select t.name, i.event from inbox i join tenants t on t.id = i.tenant_id") == [("globex", "wamid.2")]
    assert await post(k, mixed, ACME.app_secret) == 200
    assert len(k.rows("select from inbox")) == 2


async def test_a_batch_of_two_tenants_of_one_app_reaches_both(k: WhatsAppRig) -> None:
    from dataclasses import replace

    await k.apply(replace(GLOBEX, app_secret=ACME.app_secret))
    await asyncio.sleep(0)
    mixed = whole(batch(text("for acme", 1)), batch(text("for globex", 2), number=GLOBEX.phone_number_id))
    assert await post(k, mixed) == 200
    assert k.rows("select count(distinct tenant_id), count(*) from inbox") == [(2, 2)]


@pytest.mark.parametrize("number", [ACME.phone_number_id, "999"])
async def test_what_nobodys_secret_signed_is_rejected(k: WhatsAppRig, number: str) -> None:
    assert await post(k, whole(batch(text("x"), number=number)), "another-secret") == 401
    assert await post(k, b"not json", "another-secret") == 401
    assert k.rows("select from inbox") == []
    assert k.rows("select from malformed_events") == []


async def test_what_is_signed_but_not_ours_or_not_readable_is_no_reason_to_repeat_it(k: WhatsAppRig) -> None:
    assert await post(k, whole(batch(text("x"), number="999"))) == 200
    assert await post(k, b"not json") == 200
    assert (await k.whatsapp.admin.update_account("ACCOUNT_RESTRICTION")).status == 200
    assert k.rows("select from inbox") == []
    assert k.rows("select reason from malformed_events") == [("the body is not JSON",)]


async def test_metas_check_of_the_url_is_passed_with_the_verify_token_only(k: WhatsAppRig) -> None:
    passed = await k.whatsapp.admin.verify_webhook()
    assert (passed["status"], passed["answer"]) == (200, passed["challenge"])
    for token in ("", "wrong", ACME.app_secret):
        refused = await k.whatsapp.admin.verify_webhook(token=token)
        assert refused["status"] == 403
        assert refused["challenge"] not in refused["answer"]
    async with aiohttp.ClientSession() as session, session.get(f"{k.rig.url}/whatsapp/webhook") as answer:
        assert answer.status == 403


async def test_what_cannot_be_read_is_said_once_and_without_the_model(k: WhatsAppRig) -> None:
    await k.whatsapp.people.send_unsupported()
    (answer,) = await k.replies(1)
    assert "a poll" in answer
    assert k.rig.model.calls == 0


async def test_who_shows_no_number_is_answered_by_user_id(k: WhatsAppRig) -> None:
    k.whatsapp.people.meet("Bo", user_id="DE.77", username="bo", phone_shown="absent")
    await k.whatsapp.say("hello", sender="DE.77")
    assert await k.replies(1, "DE.77") == ["You said: hello"]


async def test_a_new_number_goes_on_with_the_same_history(k: WhatsAppRig) -> None:
    await k.whatsapp.say("My dog is called Rex.")
    await k.replies(1)
    await k.whatsapp.people.change_number("4917099999999")
    await k.whatsapp.say("What is my dog called?", sender="4917099999999")
    await k.replies(2, "4917099999999")
    assert k.rows("select count(*) from conversations") == [(1,)]
    assert "Rex" in str(k.rig.model.requests[-1])


async def test_who_gets_an_old_number_of_somebody_else_sees_nothing_of_them(k: WhatsAppRig) -> None:
    await k.whatsapp.say("My dog is called Rex.")
    await k.replies(1)
    await k.whatsapp.people.change_number("4917099999999")
    k.whatsapp.people.meet("Eve", phone=ANNA, user_id="DE.EVE")
    await k.whatsapp.say("What is my dog called?", sender="DE.EVE")
    await k.replies(1, "DE.EVE")
    assert "Rex" not in str(k.rig.model.requests[-1])


async def test_an_edit_before_the_answer_is_what_gets_answered(k: WhatsAppRig) -> None:
    k.rig.model.fault("delay", seconds=1.5)
    said = await k.whatsapp.say("Open on Monday?")
    await k.whatsapp.people.edit(said.ts, "Open on Sunday?")
    assert await k.replies(1) == ["You said: Open on Sunday?"]


async def test_a_message_taken_back_before_the_answer_gets_none(k: WhatsAppRig) -> None:
    k.rig.model.fault("delay", seconds=1.5)
    said = await k.whatsapp.say("My password is hunter2")
    await k.whatsapp.people.revoke(said.ts)
    await asyncio.sleep(2.5)
    assert k.texts() == []
    assert "hunter2" not in str(k.rows("select body, error from inbox"))


async def test_a_human_in_the_app_silences_the_employee(k: WhatsAppRig) -> None:
    await k.whatsapp.say("hello")
    await k.replies(1)
    await k.whatsapp.admin.echo("This is Ben from the shop.")
    await k.becomes("select count(*) from messages where role = 'operator'", [(1,)])
    await k.whatsapp.say("Hi Ben")
    await k.becomes("select count(*) from inbox where state = 'suppressed'", [(2,)])
    assert k.texts() == ["You said: hello", "This is Ben from the shop."]


async def test_a_reaction_is_recorded_and_not_answered(k: WhatsAppRig) -> None:
    await k.whatsapp.say("hello")
    await k.replies(1)
    await k.whatsapp.people.react(k.answers()[0].id, "👍")
    await k.becomes("select count(*) from inbox where state <> 'waiting'", [(2,)])
    assert len(k.texts()) == 1


async def test_choices_are_buttons_and_what_is_pressed_comes_back_as_words(k: WhatsAppRig) -> None:
    k.rig.model.reply = lambda messages: (
        "When?\n[[Today | Tomorrow]]" if "come" in messages[-1]["content"] else f"So {messages[-1]['content']}."
    )
    await k.whatsapp.say("I want to come by")
    assert await k.replies(1) == ["When?"]
    assert [choice["title"] for choice in k.answers()[0].choices] == ["Today", "Tomorrow"]
    await k.whatsapp.people.choose(k.answers()[0].id, "Tomorrow")
    assert await k.replies(2) == ["When?", "So Tomorrow."]

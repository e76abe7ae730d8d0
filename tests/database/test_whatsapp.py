"""WhatsApp from end to end: what people write, over real webhooks, to what they read."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from simulator import Fault
from simulator.whatsapp.notifier import value_of
from simulator.whatsapp.people.acting import ANNA
from tests.whatsapp_rig import ACME, WhatsAppRig, whatsapp_rig


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[WhatsAppRig]:
    async with whatsapp_rig(database_url, tmp_path) as whole:
        yield whole


async def test_a_question_is_read_and_answered_and_its_answer_reported(k: WhatsAppRig) -> None:
    k.rig.model.fault("delay", seconds=0.6)
    await k.whatsapp.say("Are you open?")
    assert await k.replies(1) == ["You said: Are you open?"]
    assert [entry.text for entry in k.seen("status")] == ["typing"]
    await k.becomes("select state, delivery, external_id from outbox", [("sent", "read", k.answers()[0].id)])


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


async def test_an_answer_that_takes_long_to_write_appears_once_and_whole(k: WhatsAppRig) -> None:
    k.rig.model.reply, k.rig.model._word_seconds = lambda _: "one two three four five six seven eight", 0.3
    await k.whatsapp.say("Count")
    assert await k.replies(1) == ["one two three four five six seven eight"]
    assert [entry.kind for entry in k.whatsapp.log if entry.by_app] == ["read", "status", "message"]


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


async def test_the_employees_own_words_echoed_by_meta_silence_nobody(k: WhatsAppRig) -> None:
    await k.whatsapp.say("hello")
    await k.replies(1)
    await k.becomes("select count(*) from outbox where external_id is not null", [(1,)])
    echo = {"id": k.answers()[0].id, "to": ANNA, "timestamp": "1793000000", "type": "text", "text": {"body": "x"}}
    value = value_of(ACME, message_echoes=[echo])
    assert (await k.whatsapp.admin.tell_raw("message_echoes", value)).status == 200
    await k.whatsapp.say("still there?")
    assert (await k.replies(2))[1] == "You said: still there?"


@pytest.mark.parametrize(("echoed", "silences"), [("You said: hello", False), ("This is Ben.", True)])
async def test_an_echo_that_comes_before_the_id_of_the_answer_is_told_from_a_humans_words(
    database_url: str, tmp_path: Path, echoed: str, *, silences: bool
) -> None:
    slow = Fault("latency", "messages", delay_seconds=1.5)
    async with whatsapp_rig(database_url, tmp_path, faults=[slow]) as k:
        await k.whatsapp.say("hello")
        await k.becomes("select state, external_id from outbox", [("pending", None)])
        echo = {"id": "wamid.early", "to": ANNA, "timestamp": "1793000000", "type": "text", "text": {"body": echoed}}
        value = value_of(ACME, message_echoes=[echo])
        assert (await k.whatsapp.admin.tell_raw("smb_message_echoes", value)).status == 200
        await k.replies(1)
        await k.becomes("select count(*) from messages where role = 'operator'", [(int(silences),)])
        await k.whatsapp.say("still there?")
        await k.becomes("select count(*) from inbox where state = 'waiting'", [(0,)])
        await k.becomes("select count(*) from inbox where state = 'suppressed'", [(2 * silences,)])


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


async def test_a_reply_to_an_answer_says_to_which(k: WhatsAppRig) -> None:
    own = await k.whatsapp.say("hello")
    await k.replies(1)
    await k.becomes("select count(*) from outbox where external_id is not null", [(1,)])
    await k.whatsapp.say("Why?", quote=k.answers()[0].id)
    assert (await k.replies(2))[1] == "You said: [in reply to: You said: hello] Why?"
    await k.whatsapp.say("I meant that", quote=own.ts)
    assert (await k.replies(3))[2] == "You said: I meant that"


async def test_a_new_user_id_told_either_way_goes_on_with_the_same_history(k: WhatsAppRig) -> None:
    for n, as_field in enumerate((True, False)):
        await k.whatsapp.say("hello")
        await k.replies(2 * n + 1)
        await k.whatsapp.people.change_user_id(f"DE.{n}", as_field=as_field)
        await k.whatsapp.say("again")
        await k.replies(2 * n + 2)
    assert k.rows("select count(*) from conversations") == [(1,)]


async def test_an_edit_and_a_removal_after_the_answer_rewrite_what_is_remembered(k: WhatsAppRig) -> None:
    first, second = await k.whatsapp.say("My dog is Rex"), None
    await k.replies(1)
    second = await k.whatsapp.say("My password is hunter2")
    await k.replies(2)
    await k.whatsapp.people.edit(first.ts, "My dog is Max")
    await k.whatsapp.people.revoke(second.ts)
    await k.becomes("select text from messages where role = 'contact' order by id", [("My dog is Max",)])
    assert len(k.texts()) == 2


async def test_a_shuffled_batch_answers_everybody_once(k: WhatsAppRig) -> None:
    people = [f"4915100000{n:02}" for n in range(10)]
    await k.whatsapp.batch([{"act": "say", "text": f"I am {one}", "sender": one} for one in reversed(people)])
    for one in people:
        assert await k.replies(1, one) == [f"You said: I am {one}"]


async def test_the_model_is_told_of_places_contacts_and_orders(k: WhatsAppRig) -> None:
    await k.whatsapp.people.locate(52.5, 13.4, name="The shop")
    await k.replies(1)
    await k.whatsapp.people.introduce("Barbara Johnson")
    await k.replies(2)
    await k.whatsapp.people.order({"sku-17": 2}, text="Gift wrap")
    answers = await k.replies(3)
    for said, answer in zip(("[location: The shop (52.5, 13.4)]", "[contact: Barbara Johnson", "2 x sku-17"), answers,
                            strict=True):  # fmt: skip
        assert said in answer


async def test_a_failure_told_twice_sends_once_more_only(database_url: str, tmp_path: Path) -> None:
    async with whatsapp_rig(database_url, tmp_path, failures=[131000], duplicate_statuses=True) as k:
        await k.whatsapp.say("hello")
        await k.becomes("select state, delivery, failures from outbox", [("sent", "read", 1)], seconds=30)
        await asyncio.sleep(1)
        assert k.texts() == ["You said: hello"]


async def test_what_a_rule_hands_over_is_told_to_the_operators_in_slack(k: WhatsAppRig) -> None:
    whole = "escalation: {rules: ['\"refund\"']}\noperators: {slack_channel: C0OPS}\n"
    await k.apply(ACME, slack=True, whole=whole)
    await asyncio.sleep(5.1)  # hosts and doors look at the configuration every five seconds
    await k.whatsapp.say("I want a refund")
    (answer,) = await k.replies(1)
    assert "colleague" in answer
    (notice,) = await k.rig.replies(1, channel="C0OPS")
    assert ANNA in notice
    assert "I want a refund" in notice
    await k.whatsapp.say("Hello?")
    await k.becomes("select state, count(*) from inbox group by 1 order by 1", [("escalated", 1), ("suppressed", 1)])
    assert k.rig.model.calls == 0
    assert f"https://wa.me/{ANNA}" in notice
    _, _, command = notice.partition("`/konstruct ")
    given_back = await k.rig.slack.people.command("/konstruct", command.partition("`")[0], channel="C0OPS")
    assert "I am back" in given_back.answer
    await k.whatsapp.say("Are you there?")
    assert "Are you there?" in (await k.replies(2))[1]

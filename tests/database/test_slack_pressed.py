"""Buttons, slash commands and the home tab: signed as Slack signs them, seen as people see them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import psycopg
import pytest
import pytest_asyncio

from konstruct import tenant_file
from konstruct.database import tenants
from konstruct.vault import Vault
from simulator.faults import Fault
from simulator.slack.event import signed
from tests.rig import APP, TENANT, Rig, rig

SHOP, COMMAND = "C0SHOP", "/konstruct"


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path) as under_test:
        yield under_test


def rows(k: Rig, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(k.settings.database_url or "") as owner:
        return owner.execute(statement.encode(), values).fetchall()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.05)


async def answered(k: Rig, question: str = "hello") -> str:
    """The ts of the answer to a question, whole and on record."""
    await k.slack.say(question)
    await k.replies(1)
    await until(lambda: bool(rows(k, "select 1 from outbox where state = 'sent'")))
    return next(message.ts for message in k.slack.messages("D0ALICE") if message.user == APP.bot_user)


async def command(k: Rig, text: str, channel: str = "D0ALICE") -> dict[str, Any]:
    said = await k.slack.people.command(COMMAND, text, channel=channel)
    assert said.status == 200
    shown: dict[str, Any] = json.loads(said.answer)
    return shown


def attempts(k: Rig) -> int:
    [(count,)] = rows(k, "select coalesce((counters ->> 'attempts')::int, 0) from conversations")
    return int(count)


async def test_of_each_persons_feedback_the_last_word_counts_and_each_turn_to_bad_is_an_attempt(k: Rig) -> None:
    ts = await answered(k)
    for what, bad in (("positive", 0), ("negative", 1), ("negative", 1), ("positive", 1)):
        assert (await k.slack.people.press(ts, what)).status == 200
        assert rows(k, "select positive from feedback") == [(what == "positive",)]
        assert attempts(k) == bad
    await k.slack.people.press(ts, "negative", user="U0BOB")
    assert sorted(rows(k, "select positive from feedback")) == [(False,), (True,)]
    assert attempts(k) == 2
    # The conversation goes on, with its new counters.
    await k.slack.say("and now?")
    assert (await k.replies(2))[1] == "You said: and now?"
    assert attempts(k) == 2


@pytest.mark.parametrize("value", ["good:00000000-0000-0000-0000-000000000ace", "good:x", "", "worse:1", "\0"])
async def test_feedback_on_what_nobody_said_changes_nothing(k: Rig, value: str) -> None:
    ts = await answered(k)
    payload = {
        "type": "block_actions", "api_app_id": APP.app, "team": {"id": APP.team}, "user": {"id": "U0ALICE"},
        "channel": {"id": "D0ALICE"}, "message": {"ts": ts},
        "actions": [{"action_id": "konstruct_feedback", "value": value}],
    }  # fmt: skip
    assert await post(k, "interactivity", urlencode({"payload": json.dumps(payload)}).encode()) == 200
    assert rows(k, "select * from feedback") == []


async def test_a_choice_is_a_message_once_and_takes_the_place_of_the_buttons(k: Rig) -> None:
    k.model.reply = lambda messages: (
        "Which day?\n[[Monday | Tuesday]]" if "day" in messages[-1]["content"].split() else messages[-1]["content"]
    )
    ts = await answered(k, "which day")
    before = next(message for message in k.slack.messages("D0ALICE") if message.ts == ts)
    assert any(block["type"] == "actions" for block in before.extra["blocks"])
    # Two presses at once, as an impatient person does.
    said = await asyncio.gather(*(k.slack.people.press(ts, "Monday") for _ in range(2)))
    assert [one.status for one in said] == [200, 200]
    await until(lambda: bool(rows(k, "select 1 from messages where role = 'contact' and text = 'Monday'")))
    await asyncio.sleep(0.3)
    assert len(rows(k, "select 1 from messages where role = 'contact' and text = 'Monday'")) == 1
    after = next(message for message in k.slack.messages("D0ALICE") if message.ts == ts)
    assert not any(block["type"] == "actions" for block in after.extra["blocks"])
    assert "Monday" in json.dumps(after.extra["blocks"])


async def test_buttons_of_others_are_acknowledged_and_nothing_more(k: Rig) -> None:
    ts = await answered(k)
    before = rows(k, "select count(*) from inbox")
    for changed in ({"action_id": "approve", "value": "1"}, {"action_id": "konstruct_choice_0", "value": ""}):
        payload = {
            "type": "block_actions", "api_app_id": APP.app, "team": {"id": APP.team}, "user": {"id": "U0ALICE"},
            "channel": {"id": "D0ALICE"}, "message": {"ts": ts}, "actions": [changed],
        }  # fmt: skip
        assert await post(k, "interactivity", urlencode({"payload": json.dumps(payload)}).encode()) == 200
    assert rows(k, "select count(*) from inbox") == before


async def test_paused_the_employee_is_silent_until_resumed(k: Rig) -> None:
    assert "no conversation" in (await command(k, "pause"))["text"]
    await answered(k)
    shown = await command(k, "pause")
    assert shown["response_type"] == "ephemeral"
    assert "silent" in shown["text"]
    assert "paused" in (await command(k, "status"))["text"]
    await k.slack.say("anybody?")
    await until(lambda: rows(k, "select 1 from inbox where state = 'waiting'") == [])
    await asyncio.sleep(0.3)
    assert len(await k.replies(1)) == 1
    assert "back" in (await command(k, "resume"))["text"]
    await k.slack.say("and now?")
    assert (await k.replies(2))[-1].endswith("and now?")
    assert "at work" in (await command(k, "status"))["text"]


async def test_in_a_channel_all_its_threads_are_paused_and_no_other_place(k: Rig) -> None:
    roots = [await k.slack.say(f"question {n}", channel=SHOP) for n in range(2)]
    await answered(k)
    await until(lambda: len(rows(k, "select 1 from conversations")) == 3)
    assert "2 conversations" in (await command(k, "pause", SHOP))["text"]
    [(paused,)] = rows(k, "select count(*) from conversations where paused_until > now()")
    assert (paused, len(roots)) == (2, 2)


async def test_help_is_given_for_nothing_and_on_demand(k: Rig) -> None:
    for text in ("", "help", " HELP "):
        shown = await command(k, text)
        assert shown["response_type"] == "ephemeral"
        assert "/konstruct pause" in shown["text"]


async def test_a_question_is_answered_where_it_was_typed(k: Rig) -> None:
    assert (await command(k, "When do you open?"))["response_type"] == "ephemeral"
    assert await k.replies(1) == ["You said: When do you open?"]
    shown = await command(k, "And on Sunday?", SHOP)
    # Others read the answer there: they see the question, too.
    assert shown["response_type"] == "in_channel"
    assert "And on Sunday?" in shown["text"]
    async with asyncio.timeout(10):
        while "You said: And on Sunday?" not in await k.texts(SHOP):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("code", ["channel_not_found", "not_in_channel"])
async def test_a_question_is_answered_also_where_the_app_is_no_member(k: Rig, code: str) -> None:
    refusals = [Fault("refuse", f"chat.{method}", SHOP, None, error=code) for method in ("postMessage", "startStream")]
    k.slack.faults.rules += refusals
    assert "asks: Do you deliver?" in (await command(k, "Do you deliver?", SHOP))["text"]
    await until(lambda: bool(rows(k, "select 1 from outbox where state = 'sent'")))
    assert [text for text in await k.texts(SHOP) if "asks" not in text] == ["You said: Do you deliver?"]
    assert refusals[0].hits
    # Nobody else answers there for the employee, and without a way to answer it is known to have failed.
    await k.slack.say("hello", channel=SHOP)
    await until(lambda: bool(rows(k, "select 1 from outbox where state = 'dead'")))


async def test_a_response_url_that_is_not_slacks_is_never_called(k: Rig) -> None:
    k.slack.faults.rules += [Fault("refuse", "chat.postMessage", SHOP, None, error="not_in_channel")]
    form = {"team_id": APP.team, "api_app_id": APP.app, "channel_id": SHOP, "user_id": "U0ALICE", "trigger_id": "1.2"}
    dead = "select count(*) from outbox where state = 'dead' and error like %s"
    for number, url in enumerate(("http://127.0.0.1:9/actions/x", "https://slack.com.evil.example/x", "file:///x")):
        asked = form | {"text": "hello", "trigger_id": f"1.{number}", "response_url": url}
        assert await post(k, "commands", urlencode(asked).encode()) == 200
        await until(lambda: rows(k, dead, "%not one of Slack%") == [(number + 1,)])  # noqa: B023 - awaited here


async def test_the_home_tab_and_the_messages_tab_are_filled_when_they_are_opened(k: Rig) -> None:
    text = TENANT.format(tenant="acme", app=APP, quiet=0).replace(
        "model: local/stub}",
        "model: local/stub, suggested_prompts: ['When do you open?', {title: Menu, message: 'What is on the menu?'}]}",
    )
    await tenants.apply_tenant(k.database, tenant_file.parse(text, {}), Vault(k.settings.master_keys))
    await k.slack.people.open_home(tab="messages")
    await k.slack.people.open_home(tab="home")
    shown: dict[str, Any] = {}

    def seen() -> bool:
        shown.update({entry.kind: entry for entry in k.slack.timeline.entries})
        return {"prompts", "home"} <= set(shown)

    await until(seen)
    assert [prompt["message"] for prompt in shown["prompts"].blocks] == ["When do you open?", "What is on the menu?"]
    assert "AI employee" in shown["home"].text
    # What people look at is not for the employee.
    await k.slack.people.look_at([{"type": "slack#/types/channel_id", "value": "C1X"}])
    await k.slack.people.look_at(bare=True)
    assert rows(k, "select * from inbox") == []


async def test_both_doors_let_in_nobody_but_slack(k: Rig) -> None:
    form = urlencode({"payload": "{}", "team_id": APP.team, "api_app_id": APP.app, "text": "help"}).encode()
    for door in ("interactivity", "commands"):
        for headers in ({}, signed(APP, form + b"x"), signed(APP, form) | {"X-Slack-Request-Timestamp": "1"}):
            assert await post(k, door, form, headers) == 401
        assert await post(k, door, b"payload=%7Bnot+json") == 200
    assert len(rows(k, "select * from malformed_events")) == 2
    assert await post(k, "commands", b"ssl_check=1&token=x", {}) == 200


async def post(k: Rig, door: str, body: bytes, headers: dict[str, str] | None = None) -> int:
    headers = signed(APP, body) if headers is None else headers
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{k.url}/slack/{door}", data=body, headers=headers) as answer:
            return answer.status

"""What people change in Slack while the employee works, and how a conversation goes to people and back."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest_asyncio

from konstruct import tenant_file
from konstruct.database import amendments, tenants
from konstruct.identity import tenant_id
from konstruct.vault import Vault
from tests.rig import APP, TENANT, Rig, rig

OPERATORS = "C0OPS"
MORE = """
escalation: {rules: ['"refund" AND count > 1'], message: A colleague will answer you.}
operators: {slack_channel: C0OPS}
"""


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path) as under_test:
        text = TENANT.format(tenant="acme", app=APP, quiet=0) + MORE
        vault = Vault(under_test.settings.master_keys)
        await tenants.apply_tenant(under_test.database, tenant_file.parse(text, {}), vault)
        yield under_test


def rows(k: Rig, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(k.settings.database_url or "") as owner:
        return owner.execute(statement.encode(), values).fetchall()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.05)


def holding(k: Rig, needle: str) -> set[str]:
    """The tables that hold the text."""
    tables = ("messages", "memories", "inbox", "conversations", "outbox")
    return {
        table for table in tables if rows(k, f"select 1 from {table} t where t::text like %s limit 1", f"%{needle}%")
    }


async def command(k: Rig, text: str, channel: str = OPERATORS) -> str:
    said = await k.slack.people.command("/konstruct", text, channel=channel)
    assert said.status == 200
    return said.answer


async def handed_over(k: Rig) -> str:
    """Let a rule hand Alice's conversation over; answers the command that gives it back, as the notice has it."""
    await k.slack.say("I want a refund")
    await k.replies(1)
    await k.slack.say("a refund, I said")
    assert (await k.replies(2))[-1] == "A colleague will answer you."
    (notice,) = await k.replies(1, OPERATORS)
    found = re.search(r"`/konstruct (resume [^`]+)`", notice)
    assert found, notice
    return found[1]


async def test_an_edit_corrects_the_turn_that_is_running(k: Rig) -> None:
    k.model.fault("delay", seconds=2.0)
    said = await k.slack.say("how are tees?")
    await until(lambda: k.model.calls == 1)
    await k.slack.people.edit(said.ts, "how are fees?")
    assert await k.replies(1) == ["You said: how are fees?"]
    await asyncio.sleep(2.2)
    assert await k.texts() == ["You said: how are fees?"]


async def test_an_edit_behind_a_deletion_corrects_the_answer_that_is_visible(k: Rig) -> None:
    k.model.reply = lambda messages: f"{messages[-1]['content'].splitlines()[-1]} " + "word " * 40
    k.model._word_seconds = 0.08
    first, second = await k.slack.say("of all things"), await k.slack.say("how are tees?")
    await until(lambda: k.slack.messages("D0ALICE")[-1].user == APP.bot_user)
    await k.slack.people.delete(first.ts)
    await k.slack.people.edit(second.ts, "how are fees?")
    await until(lambda: rows(k, "select 1 from outbox where state = 'sent'") != [])
    (answer,) = await k.texts()
    assert "how are fees?" in answer and answer.count("word") == 40
    await until(lambda: not rows(k, "select 1 from outbox where state <> 'sent'"))
    await until(lambda: not holding(k, "of all things"))


async def test_a_message_deleted_before_its_answer_is_not_answered(k: Rig) -> None:
    k.model.fault("delay", seconds=2.0)
    said = await k.slack.say("never mind this")
    await until(lambda: k.model.calls == 1)
    await k.slack.people.delete(said.ts)
    await k.slack.say("hello")
    assert await k.replies(1) == ["You said: hello"]
    await asyncio.sleep(2.2)
    assert await k.texts() == ["You said: hello"]
    assert holding(k, "never mind") == set()


async def test_a_message_deleted_after_its_answer_is_forgotten_everywhere(k: Rig) -> None:
    k.model.reply = lambda _: "Noted."
    said = await k.slack.say("my code is 1234")
    await k.replies(1)
    await until(lambda: {"messages", "memories"} <= holding(k, "my code is"))
    await k.slack.people.delete(said.ts)
    await until(lambda: not holding(k, "my code is"))
    assert await k.texts() == ["Noted."]


async def test_a_deletion_that_does_not_say_what_it_was_is_one(k: Rig) -> None:
    root = await k.slack.say("is it open?", channel="C0SHOP")
    await until(lambda: len(rows(k, "select 1 from messages")) == 2)
    said = await k.slack.say("my code is 1234", channel="C0SHOP", kind="message", thread_ts=root.ts)
    direct = await k.slack.say("my code is 1234")
    await until(lambda: len(rows(k, "select 1 from messages where text = 'my code is 1234'")) == 2)
    for channel, ts in (("C0SHOP", said.ts), ("D0ALICE", direct.ts), ("C0SHOP", "1793000000.999999")):
        now = f"{float(ts) + 100:.6f}"
        gone = {"type": "message", "subtype": "message_deleted", "hidden": True, "channel": channel, "ts": now}
        assert (await k.slack.send(gone | {"deleted_ts": ts, "event_ts": now})).status == 200
    await until(lambda: rows(k, "select text from messages where role = 'contact'") == [("is it open?",)])
    await until(lambda: not rows(k, "select 1 from inbox where state = 'waiting'"))


async def test_a_rule_hands_the_conversation_over_once_and_survives_a_restart(k: Rig) -> None:
    await k.slack.say("I want a refund")
    await k.replies(1)
    await k.stop_host(k.hosts[0])
    await k.start_host()
    await k.slack.say("a refund, I said")
    assert (await k.replies(2))[-1] == "A colleague will answer you."
    await k.slack.say("hello?")
    (notice,) = await k.replies(1, OPERATORS)
    assert "a refund, I said" in notice
    assert "app.slack.com/client/T0ACME/D0ALICE" in notice
    assert "240 minutes" in notice
    await until(lambda: not rows(k, "select 1 from inbox where state = 'waiting'"))
    await asyncio.sleep(0.3)
    assert (len(await k.texts()), len(await k.texts(OPERATORS))) == (2, 1)


async def test_the_command_in_the_notice_gives_the_conversation_back(k: Rig) -> None:
    resume = await handed_over(k)
    assert "I am back" in await command(k, resume)
    await k.slack.say("thank you")
    assert "thank you" in (await k.replies(3))[-1]
    assert "I am silent" in await command(k, resume.replace("resume", "pause"))
    await k.slack.say("and now?")
    await until(lambda: not rows(k, "select 1 from inbox where state = 'waiting'"))
    await asyncio.sleep(0.3)
    assert len(await k.texts()) == 3
    # Nothing that was typed is a question to the employee.
    assert len(await k.texts(OPERATORS)) == 1
    assert rows(k, "select 1 from inbox where starts_with(event, 'command:')") == []


async def test_operators_commands_are_good_in_their_own_channel_only(k: Rig) -> None:
    resume = await handed_over(k)
    for channel in ("D0ALICE", "C0SHOP"):
        assert "Only where operators" in await command(k, resume, channel)
    assert "no conversation's id" in await command(k, "resume 1b2c")
    assert "no conversation of that id" in await command(k, f"resume {tenant_id('globex')}")
    await k.slack.say("hello?")
    await until(lambda: not rows(k, "select 1 from inbox where state = 'waiting'"))
    await asyncio.sleep(0.3)
    assert len(await k.texts()) == 2


async def test_when_the_time_is_over_the_employee_goes_on(k: Rig) -> None:
    await handed_over(k)
    [(conversation,)] = rows(k, "select id from conversations")
    assert await amendments.pause(k.database, tenant_id("acme"), conversation, "for a moment", 2.0)
    await k.slack.say("anybody?")
    await until(lambda: bool(rows(k, "select 1 from inbox where state = 'suppressed'")))
    assert len(await k.texts()) == 2
    await until(lambda: rows(k, "select paused_until < now() from conversations") == [(True,)])
    await k.slack.say("and now?")
    assert "and now?" in (await k.replies(3))[-1]

"""What people see while they wait: that their message was read, and that somebody is at work until the answer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from konstruct.channels.slack.client import SlackChannel
from konstruct.channels.web_chat import conversation
from konstruct.channels.whatsapp.client import WhatsAppChannel
from konstruct.database import amendments
from konstruct.identity import tenant_id
from konstruct.messages import Address
from simulator import Fault
from tests.database.visitor import Visitor, open_site
from tests.rig import Rig, rig
from tests.whatsapp_rig import ACME, WhatsAppRig, whatsapp_rig


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[WhatsAppRig]:
    async with whatsapp_rig(database_url, tmp_path) as whole:
        yield whole


def done(k: WhatsAppRig) -> list[str]:
    """What the employee did, in order."""
    return [entry.kind for entry in k.whatsapp.log if entry.by_app]


async def test_a_message_that_is_answered_at_once_is_marked_as_read_first(k: WhatsAppRig) -> None:
    k.whatsapp.faults.rules.append(Fault("latency", "read", delay_seconds=0.2))
    await k.whatsapp.say("Are you open?")
    await k.replies(1)
    assert done(k) == ["read", "status", "message"]


async def test_a_message_that_cannot_be_read_is_marked_as_read(k: WhatsAppRig) -> None:
    await k.whatsapp.people.send_unsupported()
    await k.replies(1)
    assert done(k) == ["read", "status", "message"]
    assert k.rig.model.calls == 0


async def test_an_escalated_message_is_marked_as_read_and_those_that_a_human_has_to_read_are_not(
    k: WhatsAppRig,
) -> None:
    await k.apply(ACME, whole="escalation: {rules: ['\"refund\"']}\n")
    await asyncio.sleep(5.1)  # hosts and doors look at the configuration every five seconds
    await k.whatsapp.say("I want a refund")
    await k.replies(1)
    await k.whatsapp.say("Hello?")
    await k.becomes("select count(*) from inbox where state = 'suppressed'", [(1,)])
    await asyncio.sleep(0.5)
    assert done(k) == ["read", "status", "message"]


async def test_a_receipt_that_gets_no_answer_holds_nothing_up_for_long(k: WhatsAppRig) -> None:
    k.whatsapp.faults.rules.append(Fault("hang_before_delivery", "read", delay_seconds=3.5))
    await k.whatsapp.say("Are you open?")
    await k.replies(1, seconds=3)
    assert done(k) == ["message"]


async def test_the_typing_indicator_is_kept_alive_until_the_answer_and_not_beyond(
    k: WhatsAppRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WhatsAppChannel, "status_seconds", 0.3)
    k.rig.model.fault("delay", seconds=1.2)
    await k.whatsapp.say("Are you open?")
    await k.replies(1)
    await asyncio.sleep(0.8)
    assert 3 <= done(k).count("status") <= 6
    assert done(k)[-1] == "message"


async def test_the_status_in_slack_is_kept_alive_until_the_answer_and_not_beyond(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SlackChannel, "status_seconds", 0.3)
    async with rig(database_url, tmp_path) as k:
        k.model.fault("delay", seconds=1.5)
        await k.slack.say("Are you open?")
        await k.replies(1)
        await asyncio.sleep(0.8)
        seen = [(entry.kind, entry.text) for entry in k.slack.log if entry.by_app]
        assert 3 <= seen.count(("status", "is thinking…")) <= 6
        assert seen.index(("message", "You said: Are you open?")) > seen.index(("status", "is thinking…"))
        assert ("status", "is thinking…") not in seen[seen.index(("message", "You said: Are you open?")) :]


def statuses(k: Rig) -> list[str]:
    return [entry.text for entry in k.slack.log if entry.by_app and entry.kind == "status"]


async def test_the_status_in_slack_ends_with_the_message_that_was_deleted_meanwhile(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path) as k:
        k.model.fault("delay", seconds=2.0)
        said = await k.slack.say("never mind this")
        await k.slack.expect(lambda e: e.kind == "status" and e.text == "is thinking…")
        await k.slack.people.delete(said.ts)
        await k.slack.expect(lambda e: e.kind == "status" and e.text == "")
        await asyncio.sleep(0.5)
        assert statuses(k) == ["is thinking…", ""]
        assert await k.texts() == []


async def test_the_next_message_waits_for_no_status_to_be_cleared_and_has_its_own_afterwards(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path) as k:
        k.model.fault("delay", seconds=2.0)
        said = await k.slack.say("never mind this")
        await k.slack.expect(lambda e: e.kind == "status" and e.text == "is thinking…")
        slow = Fault("latency", "assistant.threads.setStatus", times=1, delay_seconds=2.5)
        k.slack.faults.rules.append(slow)
        await k.slack.people.delete(said.ts)
        async with asyncio.timeout(5):
            while slow.times:
                await asyncio.sleep(0.02)
        k.model.fault("delay", seconds=4.0)
        await k.slack.say("Are you open?")
        async with asyncio.timeout(2):
            while k.model.calls < 2:
                await asyncio.sleep(0.02)
        assert statuses(k) == ["is thinking…"]
        assert await k.replies(1) == ["You said: Are you open?"]
        assert statuses(k) == ["is thinking…", "", "is thinking…"]


@pytest.mark.parametrize("answer", ["👍", ":thumbsup:"])
async def test_the_status_in_slack_ends_with_an_answer_that_is_a_reaction(
    answer: str, database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path) as k:
        k.model.reply = lambda _: answer
        k.model.fault("delay", seconds=1.0)
        await k.slack.say("thank you")
        await k.slack.expect(lambda e: e.kind == "status" and e.text == "")
        assert [entry.kind for entry in k.slack.log if entry.by_app] == ["status", "reaction", "status"]


async def test_the_status_in_slack_is_left_to_the_answer_where_one_comes(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        k.model.fault("delay", seconds=1.0)
        await k.slack.say("Are you open?")
        await k.replies(1)
        await asyncio.sleep(0.5)
        assert statuses(k) == ["is thinking…"]


async def test_where_an_operator_takes_over_meanwhile_the_web_chat_says_of_nobody_that_they_think(
    database_url: str, tmp_path: Path
) -> None:
    acme = tenant_id("acme-web")
    async with rig(database_url, tmp_path) as k, aiohttp.ClientSession() as session:
        await open_site(k)
        anna = Visitor(f"{k.url}/web/shop", session)

        async def shown(status: str) -> None:
            async with asyncio.timeout(10):
                while [event["text"] for event in anna.events if event["role"] == "status"][-1:] != [status]:
                    await asyncio.sleep(0.02)

        async with anna.watching():
            await anna.say("hello")
            await anna.sees(2)
            k.model.fault("delay", seconds=1.5)
            await anna.say("tell me")
            await shown("is thinking…")
            place = conversation(acme, Address("shop", "anna"))
            assert await amendments.pause(k.database, acme, place, "an operator takes over", 60)
            await shown("")
            assert len(await anna.sees(3)) == 3

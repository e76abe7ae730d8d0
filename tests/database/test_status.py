"""What people see while they wait: that their message was read, and that somebody is at work until the answer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from konstruct.channels.slack.client import SlackChannel
from konstruct.channels.whatsapp.client import WhatsAppChannel
from simulator import Fault
from tests.rig import rig
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

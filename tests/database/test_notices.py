"""What operators are told: beside the conversation, whatever their channel does meanwhile; once."""

import asyncio
from pathlib import Path

import pytest

from simulator import Fault
from tests.ports import held, port_of
from tests.whatsapp_rig import ACME, WhatsAppRig, whatsapp_rig

NOTICES = "select state, count(*) from outbox where part >= 1000 group by 1"
OPERATORS = "operators: {slack_channel: C0OPS}\n"
RULES = "escalation: {rules: ['\"refund\"']}\n"


async def configured(k: WhatsAppRig, whole: str) -> None:
    await k.apply(ACME, slack=True, whole=whole)
    await asyncio.sleep(5.1)  # hosts and doors look at the configuration every five seconds


async def told_once(k: WhatsAppRig) -> str:
    """Wait for the notice, let several sweeps pass, answer it."""
    (notice,) = await k.rig.replies(1, channel="C0OPS", timeout=20)
    await k.becomes(NOTICES, [("sent", 1)])
    await asyncio.sleep(2.5)
    assert await k.rig.texts("C0OPS") == [notice]
    return notice


async def test_while_slack_refuses_connections_the_contact_is_answered_and_the_notice_comes_once_later(
    database_url: str, tmp_path: Path
) -> None:
    async with whatsapp_rig(database_url, tmp_path) as k:
        await configured(k, OPERATORS)
        await k.rig.slack.stop()
        with held(port_of(k.rig.slack.address)):
            k.whatsapp.faults.rules += [Fault("refuse", "messages", error="131026")]
            await k.whatsapp.say("first")
            await k.becomes(NOTICES, [("pending", 1)])
            for number, text in enumerate(("second", "third")):
                await k.whatsapp.say(text)
                assert (await k.replies(number + 1, seconds=5))[-1] == f"You said: {text}"
            await asyncio.sleep(6)  # the sweep sees the pending notice again and again, and reads the conversation anew
            await k.whatsapp.say("fourth")
            assert (await k.replies(3, seconds=5))[-1] == "You said: fourth"
            assert k.rows(NOTICES) == [("pending", 1)]
            await k.rig.slack.start()
        assert "131026" in await told_once(k)


async def test_a_slow_slack_is_told_once_however_often_the_sweep_looks(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.conversation.LOOK_BESIDE_NOTICES_SECONDS", 0.0)
    slow = [Fault("latency", "chat.postMessage", delay_seconds=3.5)]
    async with whatsapp_rig(database_url, tmp_path) as k:
        await configured(k, RULES + OPERATORS)
        k.rig.slack.faults.rules += slow
        await k.whatsapp.say("I want a refund")
        assert len(await k.replies(1, seconds=3)) == 1
        await told_once(k)
        assert k.rig.slack.api.calls["chat.postMessage", "ok"] == 1
        # Nobody took it for one that may be out already.
        assert k.rig.slack.api.calls["conversations.history", "ok"] == 0


async def test_a_notice_that_its_host_could_not_bring_out_is_brought_out_by_the_next(
    database_url: str, tmp_path: Path
) -> None:
    async with whatsapp_rig(database_url, tmp_path) as k:
        await configured(k, RULES + OPERATORS)
        await k.rig.slack.stop()
        with held(port_of(k.rig.slack.address)):
            await k.whatsapp.say("I want a refund")
            assert len(await k.replies(1)) == 1
            (first,) = k.rig.hosts
            for resident in list(first.host._residents.values()):
                assert resident.busy
            await k.rig.start_host()  # takes the shards: the first host is fenced
            await k.rig.slack.start()
        assert "refund" in await told_once(k)
        assert not any(resident.busy for resident in first.host._residents.values())

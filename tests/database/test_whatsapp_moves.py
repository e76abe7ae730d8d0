"""Answers on WhatsApp to people whose number changes before they get them."""

import asyncio
from pathlib import Path

import pytest

from konstruct import delivery, outage
from simulator import Fault
from tests.whatsapp_rig import until, whatsapp_rig

NEW = "4917099999999"


async def test_an_answer_that_is_held_up_follows_the_contact_to_their_new_number(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "LOOK_SECONDS", 0.3)
    monkeypatch.setattr(outage, "FIRST_TRY_SECONDS", 0.4)
    fault = Fault("refuse", method="messages", error="190", times=None)
    async with whatsapp_rig(database_url, tmp_path, faults=[fault]) as k:
        await k.whatsapp.say("hello")
        await until(lambda: fault.hits > 0)
        await k.whatsapp.people.change_number(NEW)
        await asyncio.sleep(delivery.CLAIM_SECONDS - delivery.LONGEST_REQUEST_SECONDS)
        fault.times = 0
        assert await k.replies(1, NEW) == ["You said: hello"]
        assert [entry.channel for entry in k.seen("message") if entry.by_app] == [NEW]


async def test_an_answer_that_is_being_thought_of_goes_to_the_new_number(database_url: str, tmp_path: Path) -> None:
    async with whatsapp_rig(database_url, tmp_path) as k:
        k.rig.model.fault("delay", seconds=1.0)
        await k.whatsapp.say("hello")
        await until(lambda: k.rig.model.calls > 0)
        await k.whatsapp.people.change_number(NEW)
        await k.replies(1, NEW)
        assert [entry.channel for entry in k.seen("message") if entry.by_app] == [NEW]

"""What delivery waits for: late reports of what was sent, and connections that an operator must mend."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from konstruct import outage
from konstruct.channels.whatsapp import WhatsAppChannel
from konstruct.database.outbox import Outbox
from konstruct.delivery import Delivery
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, KonstructError
from konstruct.failpoints import disarmed
from konstruct.metrics import Unmeasured
from tests.unit.test_delivery import GLOBEX, Unauthorized, fresh, reply
from tests.unit.wall import Claims, Wall


async def test_where_the_channel_reports_late_it_is_asked_after_several_times_before_anything_is_sent_again() -> None:
    outbox, wall = Claims(), Wall()
    delivery = Delivery(cast("Outbox", outbox), Unmeasured(), disarmed)
    wall.reconciles_seconds = (0.02, 0.04, 0.08)
    wall.faults = [("send", ChannelOutcomeUnknown())]
    outbox.answers = [0.0, 0.0, None, None]  # the third look finds that it is out
    await delivery.deliver(fresh(reply()), wall)
    assert wall.calls == ["send"]
    wall.faults = [("send", ChannelOutcomeUnknown())]
    await delivery.deliver(fresh(reply(2)), wall)
    assert wall.calls == ["send", "send", "find", "send"]
    assert outbox.claimed == 4 + 3


def test_whatsapp_is_looked_at_after_five_ten_and_twenty_seconds() -> None:
    assert WhatsAppChannel.reconciles_seconds == (5.0, 10.0, 20.0)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


async def test_what_a_refused_connection_holds_up_waits_while_one_tries_and_operators_are_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outage, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(outage, "FIRST_TRY_SECONDS", 0.1)
    outbox, refusing, mended = Claims(), Wall(), Wall()
    refusing.faults = [("send", Unauthorized("token_revoked"))] * 1000
    delivery = Delivery(cast("Outbox", outbox), Unmeasured(), disarmed)
    now, told = [refusing], list[str]()

    async def renew() -> Wall:
        return now[0]

    async def tell(trouble: KonstructError) -> None:
        told.append(str(trouble))

    async def deliver(number: int) -> str | None:
        return await delivery.deliver(fresh(reply(number, f"D{number}")), refusing, renew, tell)

    first = asyncio.create_task(deliver(1))
    await until(lambda: told == ["token_revoked"])
    waiting = [first, *(asyncio.create_task(deliver(number)) for number in range(2, 32))]
    await asyncio.sleep(0.4)
    # After 0.1 s and after 0.2 s more, whoever waits.
    assert 2 <= len(refusing.calls) <= 4
    other = Wall()
    await delivery.deliver(fresh(reply(50, tenant=GLOBEX)), other, renew, tell)
    assert other.texts == ["text 50"]
    now[0] = mended
    assert await asyncio.gather(*waiting) == [None] * 31
    assert sorted(mended.texts) == sorted(f"text {number}" for number in range(1, 32))
    assert refusing.texts == []
    assert told == ["token_revoked"]


async def test_after_a_day_a_reply_waits_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "LONGEST_WAIT_SECONDS", 0.2)
    outbox, wall, told = Claims(), Wall(), list[str]()
    wall.faults = [("send", Unauthorized("token_revoked"))] * 10
    delivery = Delivery(cast("Outbox", outbox), Unmeasured(), disarmed)

    async def renew() -> Wall:
        return wall

    async def tell(trouble: KonstructError) -> None:
        told.append(str(trouble))

    assert await delivery.deliver(fresh(reply()), wall, renew, tell) is None
    assert [mark.error for mark in outbox.marks] == ["token_revoked"]
    assert wall.calls == ["send", "send"]
    assert told == ["token_revoked"]


async def test_what_is_tried_again_soon_is_finished_and_what_waits_for_longer_can_be_left_to_a_successor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("konstruct.delivery.SOON_SECONDS", 0.1)
    delivery, wall, claim = Delivery(cast("Outbox", Claims()), Unmeasured(), disarmed), Wall(), fresh(reply())
    wall.faults = [("send", ChannelBusy(0.3))]
    delivering = asyncio.create_task(delivery.deliver(claim, wall))
    await asyncio.sleep(0.03)
    assert not claim.rests
    await until(lambda: claim.rests)
    await delivering
    assert not claim.rests
    assert wall.texts == ["text 1"]


class Stuck:
    """A delivery whose replies to the channel `broken` fail for ever; `told` is what operators hear, and when."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failure: KonstructError) -> None:
        monkeypatch.setattr(outage, "STUCK_SECONDS", 0.2)
        monkeypatch.setattr("konstruct.delivery.LONGEST_PAUSE_SECONDS", 0.02)
        self.outbox, self.broken, self.sound = Claims(), Wall(), Wall()
        self.broken.faults = [("send", failure)] * 10_000
        self.delivery = Delivery(cast("Outbox", self.outbox), Unmeasured(), disarmed)
        self.told: list[float] = []

    async def tell(self, trouble: KonstructError) -> None:
        self.told.append(asyncio.get_running_loop().time())

    async def deliver(self) -> str | None:
        return await self.delivery.deliver(fresh(reply()), self.broken, None, self.tell)

    async def others(self, seconds: float) -> None:
        """Others go out over the same connection meanwhile."""
        end = asyncio.get_running_loop().time() + seconds
        number = 10
        while asyncio.get_running_loop().time() < end:
            await self.delivery.deliver(fresh(reply(number := number + 1, "D0OTHER")), self.sound, None, self.tell)
            await asyncio.sleep(0.01)


async def test_a_reply_that_fails_alone_is_told_to_operators_then_looked_for_once_more_and_set_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s = Stuck(monkeypatch, ChannelOutcomeUnknown("chat.postMessage failed with internal_error."))
    delivering = asyncio.create_task(s.deliver())
    await s.others(0.7)
    assert "internal_error" in (await delivering or "")
    assert len(s.told) in (1, 2)
    assert s.broken.calls[-1] == "find"
    assert [mark.error for mark in s.outbox.marks if mark.error] == ["chat.postMessage failed with internal_error."]


async def test_a_reply_that_is_seen_at_the_last_look_is_not_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    s = Stuck(monkeypatch, ChannelOutcomeUnknown())
    claim = fresh(reply())
    claim.uncertain, claim.trouble.hopeless = True, "it fails"
    await s.sound.send(claim.reply, "text 1")
    assert await s.delivery.deliver(claim, s.sound, None, s.tell) is None
    assert [mark.error for mark in s.outbox.marks] == [None]


@pytest.mark.parametrize("failure", [ChannelOutcomeUnknown("503"), ChannelBusy(0.02)], ids=["failing", "busy"])
async def test_while_nothing_goes_out_there_operators_are_told_now_and_then_and_the_reply_is_kept(
    monkeypatch: pytest.MonkeyPatch, failure: KonstructError
) -> None:
    s = Stuck(monkeypatch, failure)
    delivering = [asyncio.create_task(s.deliver()) for _ in range(5)]
    await asyncio.sleep(0.9)
    assert 2 <= len(s.told) <= 4
    s.broken.faults.clear()
    assert await asyncio.gather(*delivering) == [None] * 5
    assert all(mark.error is None for mark in s.outbox.marks)


async def test_who_failed_with_all_others_is_sent_when_all_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    s = Stuck(monkeypatch, ChannelOutcomeUnknown("503"))
    monkeypatch.setattr("konstruct.delivery.LONGEST_PAUSE_SECONDS", 0.3)
    delivering = asyncio.create_task(s.deliver())
    await asyncio.sleep(1.0)
    assert s.told
    s.broken.faults.clear()
    await s.others(0.05)
    assert await delivering is None
    assert s.broken.texts == ["text 1"]


async def test_what_is_visible_already_is_edited_once_more_before_it_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s = Stuck(monkeypatch, ChannelOutcomeUnknown())
    shown = replace(reply(), external_id=await s.sound.send(reply(), "text"))
    claim = fresh(shown)
    claim.trouble.hopeless = "it fails"
    assert await s.delivery.deliver(claim, s.sound, None, s.tell) is None
    assert s.sound.calls[-1] == "edit"


async def test_what_the_channel_lets_wait_is_not_set_aside_however_many_others_are_let_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s = Stuck(monkeypatch, ChannelBusy(0.02))
    delivering = asyncio.create_task(s.deliver())
    await s.others(0.7)
    s.broken.faults.clear()
    assert await delivering is None
    assert s.broken.texts == ["text 1"]


async def test_after_a_day_a_reply_is_given_up_also_where_it_cannot_be_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outage, "LONGEST_WAIT_SECONDS", 0.3)
    s = Stuck(monkeypatch, ChannelOutcomeUnknown("503"))
    s.broken.faults = [("send", ChannelOutcomeUnknown("503")), *[("find", ChannelOutcomeUnknown("503"))] * 10_000]
    claim = fresh(reply())
    claim.trouble.attempts = 2_000  # the pauses stay finite
    async with asyncio.timeout(5):
        assert await s.delivery.deliver(claim, s.broken, None, s.tell) == "503"
    assert [mark.error for mark in s.outbox.marks] == ["503"]

"""What delivery waits for: late reports of what was sent, and connections that an operator must mend."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from konstruct import outage
from konstruct.channels.whatsapp import WhatsAppChannel
from konstruct.database.outbox import Outbox
from konstruct.delivery import Delivery
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown
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

    async def tell(reason: str) -> None:
        told.append(reason)

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

    async def tell(reason: str) -> None:
        told.append(reason)

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

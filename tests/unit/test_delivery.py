"""Delivery over plain objects: what is sent, searched for, waited for and given up."""

import asyncio
import time
from typing import cast
from uuid import UUID

import pytest

from konstruct import delivery as delivering
from konstruct.database.outbox import Outbox, Sent
from konstruct.delivery import Claim, Delivery
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, ChannelRefused, Fenced
from konstruct.failpoints import disarmed
from konstruct.identity import tenant_id
from konstruct.messages import Address, Reply
from konstruct.metrics import Unmeasured
from tests.unit.wall import EPOCH, Claims, Wall

ACME, GLOBEX = tenant_id("acme"), tenant_id("globex")


@pytest.fixture
def outbox() -> Claims:
    return Claims()


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def delivery(outbox: Claims) -> Delivery:
    return Delivery(cast("Outbox", outbox), Unmeasured(), disarmed)


@pytest.fixture(autouse=True)
def brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "LONGEST_PAUSE_SECONDS", 0.01)


def reply(number: int = 1, channel: str = "D0ALICE", tenant: UUID = ACME, external_id: str | None = None) -> Reply:
    ids = UUID(int=number)
    return Reply(ids, tenant, ids, ids, 0, f"text {number}", "slack", Address("T0", channel, None), external_id)


def fresh(of: Reply) -> Claim:
    """The claim of a host that has just committed the turn."""
    return Claim(of, 3, EPOCH, time.monotonic())


def inherited(of: Reply) -> Claim:
    """The claim of a host that found the reply in the outbox."""
    return Claim(of, 3, EPOCH)


async def test_a_fresh_reply_is_sent_without_search_or_another_claim(
    delivery: Delivery, outbox: Claims, wall: Wall
) -> None:
    await delivery.deliver(fresh(reply()), wall)
    assert wall.calls == ["send"]
    assert outbox.claimed == 0
    assert outbox.marks == [Sent(ACME, UUID(int=1), EPOCH, "ts-0")]


async def test_an_inherited_reply_is_claimed_and_searched_before_it_is_sent(
    delivery: Delivery, outbox: Claims, wall: Wall
) -> None:
    await delivery.deliver(inherited(reply()), wall)
    assert wall.calls == ["find", "send"]
    assert outbox.claimed == 1


async def test_an_inherited_reply_that_is_visible_already_is_only_marked(
    delivery: Delivery, outbox: Claims, wall: Wall
) -> None:
    await wall.send(reply(), "text 1")
    await delivery.deliver(inherited(reply()), wall)
    assert wall.texts == ["text 1"]
    assert outbox.marks[0].external_id == "ts-0"


async def test_a_reply_left_half_shown_is_completed_in_place(delivery: Delivery, outbox: Claims, wall: Wall) -> None:
    await wall.send(reply(), "te")
    wall.partial = True
    await delivery.deliver(inherited(reply()), wall)
    assert wall.texts == ["text 1"]
    assert wall.calls[-1] == "edit"


async def test_a_reply_whose_platform_id_is_known_is_edited_without_search(
    delivery: Delivery, outbox: Claims, wall: Wall
) -> None:
    await delivery.deliver(inherited(reply(external_id="ts-9")), wall)
    assert wall.calls == ["edit"]
    assert outbox.marks[0].external_id == "ts-9"


@pytest.mark.parametrize("kept", [True, False], ids=["it became visible", "it did not"])
async def test_an_unknown_outcome_is_resolved_by_search_and_never_doubles(
    delivery: Delivery,
    outbox: Claims,
    wall: Wall,
    kept: bool,
) -> None:
    wall.faults = [("send", ChannelOutcomeUnknown()), ("find", ChannelOutcomeUnknown())]
    wall.keeps = kept
    await delivery.deliver(fresh(reply()), wall)
    assert wall.texts == ["text 1"]
    assert len(outbox.marks) == 1
    assert outbox.marks[0].error is None


async def test_a_refused_reply_is_set_aside_with_the_reason(delivery: Delivery, outbox: Claims, wall: Wall) -> None:
    wall.faults = [("send", ChannelRefused("Slack refused chat.postMessage: is_archived."))]
    await delivery.deliver(fresh(reply()), wall)
    assert wall.texts == []
    assert outbox.marks == [Sent(ACME, UUID(int=1), EPOCH, None, "Slack refused chat.postMessage: is_archived.")]


class Unauthorized(ChannelRefused):
    """The token has ended."""

    disconnected = True


async def test_where_only_the_token_was_refused_a_newer_one_is_looked_for_before_the_reply_is_set_aside(
    delivery: Delivery, outbox: Claims, wall: Wall
) -> None:
    newer = Wall()

    async def renew() -> Wall:
        return newer

    wall.faults = [("send", Unauthorized())]
    assert await delivery.deliver(fresh(reply()), wall, renew) is None
    assert (wall.texts, newer.texts) == ([], ["text 1"])
    newer.faults = [("send", Unauthorized("token_revoked"))]
    assert await delivery.deliver(fresh(reply(2)), newer, renew) == "token_revoked"
    assert [mark.error for mark in outbox.marks] == [None, "token_revoked"]


async def test_where_the_history_may_not_be_read_the_reply_is_still_sent(
    delivery: Delivery, outbox: Claims, wall: Wall
) -> None:
    wall.faults = [("find", ChannelRefused("missing_scope"))]
    await delivery.deliver(inherited(reply()), wall)
    assert wall.texts == ["text 1"]


async def test_a_busy_channel_waits_as_long_as_it_asked_and_delays_no_other(
    delivery: Delivery, outbox: Claims, wall: Wall
) -> None:
    wall.faults = [("send", ChannelBusy(0.15))]
    begun = time.monotonic()
    finished: dict[str, float] = {}

    async def deliver(of: Reply) -> None:
        await delivery.deliver(fresh(of), wall)
        finished[f"{of.tenant == ACME} {of.address.channel} {of.id.int}"] = time.monotonic() - begun

    slow = asyncio.create_task(deliver(reply(1, "D0SLOW")))
    await asyncio.sleep(0.01)
    await asyncio.gather(
        slow, deliver(reply(2, "D0QUICK")), deliver(reply(3, "D0SLOW")), deliver(reply(4, "D0SLOW", GLOBEX))
    )
    assert finished["True D0SLOW 1"] >= 0.15
    assert finished["True D0SLOW 3"] >= 0.15
    assert finished["True D0QUICK 2"] < 0.1
    assert finished["False D0SLOW 4"] < 0.1


async def test_a_busy_answer_needs_no_search_afterwards(delivery: Delivery, outbox: Claims, wall: Wall) -> None:
    wall.faults = [("send", ChannelBusy(0.0))]
    await delivery.deliver(fresh(reply()), wall)
    assert wall.calls == ["send", "send"]


async def test_a_claim_of_an_earlier_owner_is_waited_for(delivery: Delivery, outbox: Claims, wall: Wall) -> None:
    outbox.answers = [0.05, 0.02, 0.0]
    begun = time.monotonic()
    await delivery.deliver(inherited(reply()), wall)
    assert time.monotonic() - begun >= 0.07
    assert wall.texts == ["text 1"]


async def test_nothing_is_sent_that_somebody_else_has_sent_already(
    delivery: Delivery, outbox: Claims, wall: Wall
) -> None:
    outbox.answers = [None]
    await delivery.deliver(inherited(reply()), wall)
    assert wall.calls == []
    assert outbox.marks == []


async def test_a_fenced_host_sends_nothing(delivery: Delivery, outbox: Claims, wall: Wall) -> None:
    outbox.answers = [Fenced()]
    with pytest.raises(Fenced):
        await delivery.deliver(inherited(reply()), wall)
    assert wall.calls == []
    assert outbox.marks == []


async def test_a_host_fenced_between_two_attempts_sends_no_second_time(
    delivery: Delivery, outbox: Claims, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "CLAIM_SECONDS", delivering.LONGEST_REQUEST_SECONDS + 0.05)
    wall.faults = [("send", ChannelBusy(0.1))]
    outbox.answers = [Fenced()]
    with pytest.raises(Fenced):
        await delivery.deliver(fresh(reply()), wall)
    assert wall.texts == []


async def test_a_search_slower_than_the_claim_does_not_keep_the_reply_for_ever(
    delivery: Delivery, outbox: Claims, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A history that answers in 2 s is allowed to, but outlives the 1.5 s in which a claim is fresh."""
    monkeypatch.setattr(delivering, "CLAIM_SECONDS", delivering.LONGEST_REQUEST_SECONDS + 0.05)
    wall.slow_find = 0.08
    async with asyncio.timeout(1):
        await delivery.deliver(inherited(reply()), wall)
    assert wall.texts == ["text 1"]


def test_a_claim_is_valid_only_while_it_outlives_the_longest_request() -> None:
    now = time.monotonic()
    fresh_for = delivering.CLAIM_SECONDS - delivering.LONGEST_REQUEST_SECONDS
    assert fresh_for > 0
    assert not Claim(reply(), 3, EPOCH).valid
    assert Claim(reply(), 3, EPOCH, now).valid
    assert not Claim(reply(), 3, EPOCH, now - fresh_for - 0.01).valid


def test_no_request_can_outlive_what_a_claim_allows_for() -> None:
    from konstruct.channels.slack.client import SEND_SECONDS

    assert SEND_SECONDS < delivering.LONGEST_REQUEST_SECONDS < delivering.CLAIM_SECONDS


async def test_a_long_wish_to_wait_is_not_shortened_by_a_later_one(delivery: Delivery) -> None:
    delivery._close_gate(reply(1), 30.0)
    delivery._close_gate(reply(2), 1.0)
    [until] = delivery._closed_until.values()
    assert until > time.monotonic() + 20

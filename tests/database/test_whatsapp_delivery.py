"""Answers on WhatsApp when things go wrong: doubles, losses, closed windows, late failures."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from konstruct import delivery, outage
from konstruct.channels.whatsapp import WhatsAppChannel, pacing
from simulator import Fault
from simulator.whatsapp.people.acting import ANNA
from simulator.whatsapp.simulator import REDELIVERY_SECONDS
from tests.whatsapp_rig import ACME, GLOBEX, until, whatsapp_rig

STATE = "select state, delivery from outbox"
WAITING = "select state, count(*) from outbox where state <> 'sent' group by 1"
BEN = "4915187654321"


@pytest.fixture
def brief_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a send has arrived is looked up ten times as early."""
    monkeypatch.setattr(WhatsAppChannel, "reconciles_seconds", (0.5, 1.0, 2.0))


@pytest.fixture
def brief_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an operator must mend is looked at and tried sooner."""
    monkeypatch.setattr(outage, "LOOK_SECONDS", 0.3)
    monkeypatch.setattr(outage, "FIRST_TRY_SECONDS", 0.4)


@pytest.mark.parametrize("kind", ["hang_after_delivery", "close_after_delivery"])
async def test_a_send_whose_answer_was_lost_is_settled_by_its_status(
    database_url: str, tmp_path: Path, kind: str
) -> None:
    fault = Fault(kind, method="messages", delay_seconds=6.0)  # type: ignore[arg-type]
    async with whatsapp_rig(database_url, tmp_path, faults=[fault], status_seconds=0.2) as k:
        await k.whatsapp.say("hello")
        await k.becomes(STATE, [("sent", "read")])
        await asyncio.sleep(7)
        assert k.texts() == ["You said: hello"]


async def test_a_status_later_than_the_first_look_still_settles_the_send(
    database_url: str, tmp_path: Path, brief_looks: None
) -> None:
    fault = Fault("close_after_delivery", method="messages")
    async with whatsapp_rig(database_url, tmp_path, faults=[fault], status_seconds=0.8) as k:
        await k.whatsapp.say("hello")
        await k.becomes(STATE, [("sent", "read")])
        await asyncio.sleep(0.5)
        assert k.texts() == ["You said: hello"]


async def test_a_send_that_never_arrived_is_sent_again(database_url: str, tmp_path: Path, brief_looks: None) -> None:
    fault = Fault("close_before_delivery", method="messages")
    async with whatsapp_rig(database_url, tmp_path, faults=[fault]) as k:
        await k.whatsapp.say("hello")
        assert await k.replies(1, seconds=30) == ["You said: hello"]


async def test_statuses_in_any_order_and_twice_never_go_backwards(database_url: str, tmp_path: Path) -> None:
    async with whatsapp_rig(database_url, tmp_path, shuffle_statuses=True, duplicate_statuses=True) as k:
        for n in range(5):
            await k.whatsapp.say(f"hello {n}")
            await k.replies(n + 1)
        await k.whatsapp.settle()
        await k.becomes("select state, delivery, count(*) from outbox group by 1, 2", [("sent", "read", 5)])


async def test_after_the_window_the_template_carries_the_answer(database_url: str, tmp_path: Path) -> None:
    more = "template: {name: follow_up, language: en, with_answer: true}"
    async with whatsapp_rig(database_url, tmp_path, more) as k:
        k.whatsapp.clock.ahead_seconds = -90_000
        await k.whatsapp.say("hello")
        k.whatsapp.clock.ahead_seconds = 0
        await until(lambda: len(k.answers()) == 1)
        (answer,) = k.answers()
        assert answer.kind == "template"
        assert "You said: hello" in str(answer.content)


async def test_after_the_window_and_without_a_template_the_operator_is_told(database_url: str, tmp_path: Path) -> None:
    async with whatsapp_rig(database_url, tmp_path) as k:
        k.whatsapp.clock.ahead_seconds = -90_000
        await k.whatsapp.say("hello")
        await k.becomes("select state from outbox", [("dead",)])
        ((error,),) = k.rows("select error from outbox")
        assert "24 hours" in error
        assert "template" in error
        assert k.answers() == []
        assert not [call for call in k.whatsapp.api.calls if "ok" not in call]


@pytest.mark.parametrize("error", ["refuse", "status"])
async def test_a_window_that_meta_sees_closed_earlier_is_answered_with_the_template(
    database_url: str, tmp_path: Path, error: str
) -> None:
    more = "template: {name: follow_up, language: en, with_answer: true}"
    async with whatsapp_rig(database_url, tmp_path, more, window_error=error, window_seconds=0) as k:
        await k.whatsapp.say("hello")
        await k.becomes("select state, delivery from outbox", [("sent", "read")], seconds=30)
        assert [answer.kind for answer in k.answers()] == ["template"]


@pytest.mark.parametrize("code", [131000, 130429])
async def test_what_failed_later_for_a_passing_reason_is_sent_again(
    database_url: str, tmp_path: Path, code: int
) -> None:
    async with whatsapp_rig(database_url, tmp_path, failures=[code]) as k:
        await k.whatsapp.say("hello")
        await k.becomes(STATE, [("sent", "read")], seconds=30)
        assert k.texts() == ["You said: hello"]


async def test_a_wait_for_a_rate_limit_is_no_failure(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(delivery, "CLAIM_SECONDS", delivery.LONGEST_REQUEST_SECONDS + 0.05)
    fault = Fault("refuse", method="messages", error="131056", times=4)
    async with whatsapp_rig(database_url, tmp_path, faults=[fault], failures=[131000]) as k:
        await k.whatsapp.say("hello")
        await k.becomes(STATE, [("sent", "read")], seconds=30)
        assert k.texts() == ["You said: hello"]
        assert k.rows("select attempts > 4, failures from outbox") == [(True, 1)]


async def test_what_failed_later_for_good_is_shown_to_the_operator(database_url: str, tmp_path: Path) -> None:
    async with whatsapp_rig(database_url, tmp_path, failures=[131026]) as k:
        await k.whatsapp.say("hello")
        await k.becomes(STATE, [("dead", "failed")])
        ((error,),) = k.rows("select error from outbox")
        assert "cannot be reached" in error
        assert "131026" in error


async def test_a_rate_limit_delays_the_answer_and_loses_nothing(database_url: str, tmp_path: Path) -> None:
    fault = Fault("refuse", method="messages", error="131056")
    async with whatsapp_rig(database_url, tmp_path, faults=[fault]) as k:
        await k.whatsapp.say("hello")
        assert await k.replies(1, seconds=30) == ["You said: hello"]


async def test_an_invalid_token_is_told_once_and_the_answers_wait_for_another(
    database_url: str, tmp_path: Path, brief_outages: None
) -> None:
    operators = "operators: {slack_channel: C0OPS}\n"
    async with whatsapp_rig(database_url, tmp_path) as k:
        ended = replace(ACME, access_token="EAAG-ended")
        await k.apply(ended, slack=True, whole=operators)
        for person in (ANNA, BEN):
            await k.whatsapp.say("hello", sender=person)
        (notice,) = await k.rig.replies(1, channel="C0OPS")
        assert "connect the number again" in notice
        # Neither another tenant nor another channel waits.
        await k.whatsapp.say("hi", number=GLOBEX.phone_number_id)
        assert await k.replies(1, number=GLOBEX) == ["You said: hi"]
        await k.rig.slack.people.say("hi")
        assert await k.rig.replies(1) == ["You said: hi"]
        await k.becomes(WAITING, [("pending", 2)])
        await k.apply(ACME, slack=True, whole=operators)
        assert await k.replies(1, ANNA) == await k.replies(1, BEN) == ["You said: hello"]
        assert len(await k.rig.replies(1, channel="C0OPS")) == 1


async def test_what_is_mended_at_meta_is_found_by_trying(
    database_url: str, tmp_path: Path, brief_outages: None
) -> None:
    fault = Fault("refuse", method="messages", error="131042", times=2)
    async with whatsapp_rig(database_url, tmp_path, faults=[fault]) as k:
        await k.whatsapp.say("hello")
        assert await k.replies(1) == ["You said: hello"]
        assert fault.hits == 2


async def test_an_answer_that_waited_for_a_token_all_day_is_set_aside(
    database_url: str, tmp_path: Path, brief_outages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "LONGEST_WAIT_SECONDS", 1.0)
    fault = Fault("refuse", method="messages", error="190", times=None)
    async with whatsapp_rig(database_url, tmp_path, faults=[fault]) as k:
        await k.apply(ACME, slack=True, whole="operators: {slack_channel: C0OPS}\n")
        await k.whatsapp.say("hello")
        await k.becomes("select state from outbox", [("dead",)])
        assert "connect the number again" in k.rows("select error from outbox")[0][0]
        assert fault.hits < 6
        assert len(await k.rig.replies(1, channel="C0OPS")) == 1


async def test_an_answer_that_is_one_emoji_is_a_reaction(database_url: str, tmp_path: Path) -> None:
    async with whatsapp_rig(database_url, tmp_path) as k:
        k.rig.model.reply = lambda _: "👍"
        said = await k.whatsapp.say("Thanks!")
        await until(lambda: bool(k.seen("reaction")))
        assert [(entry.ts, entry.text) for entry in k.seen("reaction")] == [(said.ts, "👍")]
        assert k.texts() == []
        await k.becomes("select state from outbox", [("sent",)])


async def test_while_the_database_is_away_nothing_is_acknowledged_and_later_everything_is_answered(
    database_url: str, tmp_path: Path
) -> None:
    async with whatsapp_rig(database_url, tmp_path) as k:
        pool, k.rig.database._pool = k.rig.database._pool, None
        said = await k.whatsapp.say("hello")
        assert said.status == 503
        k.rig.database._pool = pool
        assert await k.replies(1, seconds=20) == ["You said: hello"]


@pytest.mark.parametrize("outages", [1, 2, 7])
async def test_what_is_turned_away_comes_again_on_metas_schedule_and_is_answered_once(
    database_url: str, tmp_path: Path, outages: int
) -> None:
    # The eighth delivery comes after half an hour, here after 0.3 s.
    schedule = {"retry_seconds": REDELIVERY_SECONDS, "retry_scale": 1 / 6000}
    async with whatsapp_rig(database_url, tmp_path, **schedule) as k:
        pool, k.rig.database._pool = k.rig.database._pool, None
        await k.whatsapp.say("hello")
        (delivery,) = k.whatsapp.courier.deliveries
        while len(delivery.attempts) < outages:
            await asyncio.sleep(0)
        k.rig.database._pool = pool
        assert await k.replies(1) == ["You said: hello"]
        assert [attempt.status for attempt in delivery.attempts] == [503] * outages + [200]
        assert k.rows("select count(*) from inbox") == [(1,)]


async def test_operators_are_told_in_slack_of_an_answer_that_whatsapp_refused(
    database_url: str, tmp_path: Path
) -> None:
    fault = Fault("refuse", method="messages", error="131026")
    async with whatsapp_rig(database_url, tmp_path, faults=[fault]) as k:
        await k.apply(ACME, slack=True, whole="operators: {slack_channel: C0OPS}\n")
        await k.whatsapp.say("Are you open?")
        (notice,) = await k.rig.replies(1, channel="C0OPS")
        assert "could not be delivered on whatsapp" in notice
        assert "You said: Are you open?" in notice
        assert ANNA in notice
        assert k.texts() == []

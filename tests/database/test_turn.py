"""The turn over the real webhook path: signed events in, replies out, PostgreSQL in between."""

import asyncio
import io
import time
from pathlib import Path

import aiohttp
import pytest

from konstruct.database import installation
from simulator import Fault
from tests.rig import APP, rig


async def test_a_direct_message_is_answered_once(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        said = await k.slack.say("hello")
        assert said.status == 200
        assert await k.replies(1) == ["You said: hello"]


async def test_the_window_carries_the_conversation_on(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        for n in range(12):
            await k.slack.say(f"message {n}")
            await k.replies(n + 1)
        asked = k.model.requests[-1]["messages"]
        assert asked[0]["role"] == "system"
        assert "AI employee" in asked[0]["content"]
        assert asked[-1] == {"role": "user", "content": "message 11"}
        assert {"role": "user", "content": "message 5"} in asked


async def test_what_left_the_window_is_recalled_for_the_same_contact_only(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        await k.slack.say("my dog is called zzyzx")
        for n in range(12):
            await k.replies(n + 1)
            await k.slack.say(f"filler {n}")
        await k.replies(13)
        for parts in k.hosts:
            await parts.host._memory_job.settle()
        await k.slack.say("zzyzx what is the name of my dog")
        await k.replies(14)
        assert "zzyzx" in k.model.requests[-1]["messages"][0]["content"]
        await k.slack.say("zzyzx what is the name of my dog", channel="D0BOB", user="U0BOB")
        await k.replies(1, "D0BOB")
        assert "zzyzx" not in k.model.requests[-1]["messages"][0]["content"]


async def test_fifty_copies_of_one_event_get_one_answer(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        await k.slack.say("hello", copies=50)
        assert await k.replies(1) == ["You said: hello"]
        assert {d.attempts[0].status for d in k.slack.deliveries} == {200}


async def test_a_mention_is_answered_once_in_its_thread(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        said = await k.slack.say("hello there", channel="C0SHOP")
        async with asyncio.timeout(10):
            while not await k.texts("C0SHOP", said.ts):
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        assert await k.texts("C0SHOP", said.ts) == ["You said: hello there"]
        assert await k.texts("C0SHOP") == []


async def test_a_burst_joins_the_running_turn(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        k.model.fault("delay", seconds=2.0)
        await k.slack.say("first")
        await asyncio.sleep(0.15)
        await k.slack.say("second")
        assert await k.replies(1) == ["You said: first\nsecond"]


async def test_where_a_tenant_wants_quiet_who_types_slowly_is_asked_about_once(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path, quiet=1.0) as k:
        await k.slack.say("first")
        await asyncio.sleep(0.4)
        assert k.model.calls == 0
        await k.slack.say("second")
        assert await k.replies(1) == ["You said: first\nsecond"]
        assert k.model.calls == 1


async def test_an_edit_corrects_a_turn_that_nothing_more_may_join(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.conversation_host.SWEEP_SECONDS", 60.0)  # nobody helps
    async with rig(database_url, tmp_path) as k:
        k.model.fault("delay", seconds=2.0, times=5)
        said = await k.slack.say("how are tees?")
        for calls in range(1, 5):
            async with asyncio.timeout(10):
                while k.model.calls < calls:
                    await asyncio.sleep(0.02)
            await k.slack.say("and again") if calls < 4 else await k.slack.people.edit(said.ts, "how are fees?")
        assert await k.replies(1) == ["You said: how are fees?\nand again\nand again\nand again"]
        assert k.model.calls == 5


async def test_a_long_answer_grows_and_later_messages_make_the_next_turn(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        k.model.reply = lambda messages: f"{messages[-1]['content']} " + "word " * 40
        k.model._word_seconds = 0.08
        await k.slack.say("tell me")
        async with asyncio.timeout(10):
            while not await k.texts():
                await asyncio.sleep(0.02)
        assert len((await k.texts())[0]) < 200
        k.model._word_seconds = 0
        await k.slack.say("more")
        texts = await k.replies(2)
        assert texts[0].startswith("tell me") and texts[0].count("word") == 40
        assert texts[1].startswith("more")
        assert [s for s in k.slack.log if s.kind == "status"]


async def test_lost_wake_ups_cost_time_only(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        k.deaf = True
        await k.slack.say("anybody there?")
        assert await k.replies(1) == ["You said: anybody there?"]


async def test_a_conversation_that_outgrows_its_model_goes_on(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        k.model.most_chars = 2_000
        for said in range(4):
            await k.slack.say(f"{said}: " + "и ещё " * 100)
            assert (await k.replies(said + 1))[-1].startswith(f"You said: {said}: ")


async def test_a_broken_model_ends_in_one_honest_apology_and_the_conversation_goes_on(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path) as k:
        k.model.fault("500", times=1)
        k.model.fault("html", times=1)
        k.model.fault("empty", times=1)
        await k.slack.say("hello")
        texts = await k.replies(1)
        assert len(texts) == 1 and texts[0].startswith("I'm sorry")
        await k.slack.say("and now?")
        assert (await k.replies(2))[1].endswith("and now?")


async def test_a_message_that_fails_three_times_is_set_aside_and_the_next_proceeds(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path) as k:
        office_build = __import__("konstruct.prompt", fromlist=["build"])
        original = office_build.build

        def poisoned(name: str, instructions: str, memories: object, spoken: object, **more: object) -> object:
            entries = list(spoken)  # type: ignore[call-overload]
            if any("poison" in entry.text for entry in entries):
                raise ZeroDivisionError("poison")
            return original(name, instructions, memories, entries, **more)  # type: ignore[arg-type]

        office_build.build = poisoned
        try:
            await k.slack.say("poison")
            await asyncio.sleep(0.2)
            await k.slack.say("fine")
            assert await k.replies(1, timeout=20) == ["You said: fine"]
        finally:
            office_build.build = original
        letters = await installation.dead_letters(k.database)
        assert [(letter.tenant, letter.kind) for letter in letters] == [("acme", "message")]
        assert "ZeroDivisionError" in (letters[0].error or "")


@pytest.mark.parametrize("honour", [True, False], ids=["de-duplicating", "not de-duplicating"])
async def test_slack_faults_lead_to_exactly_one_visible_message(
    database_url: str,
    tmp_path: Path,
    honour: bool,
) -> None:
    async with rig(database_url, tmp_path, honour_client_msg_id=honour) as k:
        k.slack.faults.rules += [
            Fault("server_error", times=1),
            Fault("hang_after_delivery", times=1, delay_seconds=6),
            Fault("close_after_delivery", times=1),
        ]
        await k.slack.say("hello")
        assert await k.replies(1, timeout=40) == ["You said: hello"]
        await asyncio.sleep(6)
        assert await k.texts() == ["You said: hello"]


async def test_a_rate_limited_channel_delays_no_other(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        k.slack.faults.rules.append(Fault("rate_limit", channel="D0SLOW", retry_after=3))
        begun = time.monotonic()
        await k.slack.say("slow", channel="D0SLOW", user="U0SLOW")
        await k.slack.say("quick", channel="D0QUICK", user="U0QUICK")
        assert await k.replies(1, "D0QUICK") == ["You said: quick"]
        assert time.monotonic() - begun < 2.5
        assert await k.replies(1, "D0SLOW") == ["You said: slow"]
        assert time.monotonic() - begun >= 3


async def test_wrong_requests_are_rejected_and_store_nothing(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k, aiohttp.ClientSession() as session:
        url = f"{k.url}/slack/events"
        async with session.post(url, data=b"{}") as answer:
            assert answer.status == 401
        async with session.post(url, data=io.BytesIO(b"x" * (9 * 1024 * 1024))) as answer:
            assert answer.status == 413
        status = await installation.status(k.database)
        assert (status.inbox_waiting, status.malformed) == (0, 0)
        assert APP.team == "T0ACME"


async def test_an_answer_over_the_limit_comes_in_parts_and_in_order(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        k.model.reply = lambda _: "\n\n".join(f"paragraph {n} " + ("text" * 30 + " ") * 4 for n in range(60))
        await k.slack.say("tell me everything")
        texts = await k.replies(3)
        assert all(len(text) <= 12_000 for text in texts)
        assert "\n\n".join(texts).count("paragraph") == 60
        assert [text.split(" ")[0] for text in texts] == ["paragraph"] * len(texts)

"""Long answers in Slack, over the whole path: streamed, handed over, expired, edited; whole and once in the end."""

import asyncio
import signal
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from konstruct import tenant_file
from konstruct.database import amendments, tenants
from konstruct.identity import conversation_id, tenant_id
from konstruct.vault import Vault
from simulator import Entry, Fault
from tests.crash import end, start_host
from tests.rig import APP, TENANT, Rig, rig

# 40 words at 0.08 s: streaming begins after a second and goes on for two.
WORDS, WORD_SECONDS = 40, 0.08
WORD = f"word{WORDS - 1}"
TIERS = {"chat.startStream": 20, "chat.stopStream": 20, "chat.update": 50, "chat.appendStream": 100}


def long(messages: list[dict[str, str]]) -> str:
    """An answer that says which message it answers and is long."""
    return f"{messages[-1]['content']}: " + " ".join(f"word{n}" for n in range(WORDS))


def slowly(k: Rig) -> None:
    k.model.reply = long
    k.model._word_seconds = WORD_SECONDS


def whole(text: str) -> str:
    return long([{"content": text}])


async def answered(k: Rig, channel: str, thread: str, wanted: str, timeout: float = 30.0) -> list[str]:
    """Wait until the thread has the wanted answer, give doubles time to show; answers what the employee says there."""
    async with asyncio.timeout(timeout):
        while wanted not in await k.texts(channel, thread):
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    return await k.texts(channel, thread)


async def growing(k: Rig, thread: str) -> Entry:
    """Wait until something of the answer in that thread is visible."""
    return await k.slack.expect(lambda e: e.by_app and e.thread_ts == thread and e.kind in ("message", "edit"))


def called(k: Rig, method: str) -> int:
    return sum(count for (name, _), count in k.slack.api.calls.items() if name == method)


def last_metadata(k: Rig, channel: str, thread: str) -> dict[str, Any]:
    message = [m for m in k.slack.messages(channel, thread_ts=thread) if m.user == APP.bot_user][-1]
    return dict(message.extra["metadata"]["event_payload"])


async def test_a_long_answer_streams_and_ends_whole(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        slowly(k)
        said = await k.slack.say("tell me", channel="C0SHOP")
        assert await answered(k, "C0SHOP", said.ts, whole("tell me")) == [whole("tell me")]
        seen = [e for e in k.slack.log if e.by_app and e.thread_ts == said.ts and e.kind in ("message", "edit")]
        assert [e.kind for e in seen] == ["message", *["edit"] * (len(seen) - 1)]
        assert len(seen) >= 3
        assert all(later.text.startswith(earlier.text) for earlier, later in pairwise(seen))
        assert [e.streaming for e in seen] == [*[True] * (len(seen) - 1), False]
        assert called(k, "chat.update") == called(k, "chat.postMessage") == 0
        assert last_metadata(k, "C0SHOP", said.ts)["final"] is True


@pytest.mark.parametrize("same", [True, False], ids=["the same answer", "another answer"])
async def test_a_stream_survives_a_kill_in_the_middle(database_url: str, tmp_path: Path, same: bool) -> None:
    async with rig(database_url, tmp_path, hosts=0) as k:
        slowly(k)
        killed = await start_host(k)
        said = await k.slack.say("tell me", channel="C0SHOP")
        assert (await growing(k, said.ts)).streaming is True
        killed.send(signal.SIGKILL)
        if not same:
            k.model.reply = lambda messages: "In other words: " + long(messages)
        successor = await start_host(k)
        wanted = whole("tell me") if same else "In other words: " + whole("tell me")
        assert await answered(k, "C0SHOP", said.ts, wanted) == [wanted]
        assert last_metadata(k, "C0SHOP", said.ts)["final"] is True
        await end([killed, successor])


async def test_a_direct_message_of_an_agent_streams_in_its_own_thread_through_a_kill(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path, hosts=0) as k:
        slowly(k)
        tenant = TENANT.format(tenant="acme", app=APP, quiet=0).replace("{team_id", "{agent_view: true, team_id")
        await tenants.apply_tenant(k.database, tenant_file.parse(tenant, {}), Vault(k.settings.master_keys))
        killed = await start_host(k)
        said = await k.slack.say("tell me")
        await k.slack.expect(lambda e: e.kind == "edit" and bool(e.streaming))
        searched = called(k, "conversations.replies")
        killed.send(signal.SIGKILL)
        await k.slack.say("quickly", thread_ts=said.ts)
        successor = await start_host(k)
        async with asyncio.timeout(30):
            while not (read := await k.texts("D0ALICE", said.ts)) or "quickly" not in read[-1] or WORD not in read[-1]:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        read = await k.texts("D0ALICE", said.ts)
        assert [text.count(WORD) for text in read] == [1] * len(read)
        assert len(read) <= 2
        # Its predecessor had made durable which message it is: nobody had to search.
        assert called(k, "conversations.replies") == searched
        await end([killed, successor])


async def test_a_zombie_adds_nothing_to_a_stream_that_its_successor_has_ended(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path, hosts=0) as k:
        slowly(k)
        zombie = await start_host(k)
        said = await k.slack.say("tell me", channel="C0SHOP")
        await k.slack.expect(lambda e: e.kind == "edit" and bool(e.streaming))
        zombie.send(signal.SIGSTOP)
        successor = await start_host(k)
        assert await answered(k, "C0SHOP", said.ts, whole("tell me")) == [whole("tell me")]
        seen = len(k.slack.log)
        zombie.send(signal.SIGCONT)
        await asyncio.sleep(4)
        assert [e.kind for e in k.slack.log[seen:] if e.by_app and e.kind != "status"] == []
        assert await k.texts("C0SHOP", said.ts) == [whole("tell me")]
        await end([zombie, successor])


async def test_a_stream_survives_a_handover(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        slowly(k)
        said = await k.slack.say("tell me", channel="C0SHOP")
        await growing(k, said.ts)
        (old,) = k.hosts
        await k.start_host()
        await k.stop_host(old)
        assert await answered(k, "C0SHOP", said.ts, whole("tell me")) == [whole("tell me")]


async def test_a_stream_that_an_operator_stops_ends_where_it_is(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        endless = " ".join(f"word{n}" for n in range(2000))
        k.model.reply, k.model._word_seconds = lambda _: endless, 0.05
        said = await k.slack.say("tell me", channel="C0SHOP")
        await k.slack.expect(lambda e: e.kind == "edit" and bool(e.streaming))
        acme = tenant_id("acme")
        conversation = conversation_id(acme, "slack", f"{APP.team}:C0SHOP:{said.ts}")
        assert await amendments.pause(k.database, acme, conversation, "an operator takes over", 60)
        await k.slack.expect(lambda e: e.streaming is False, seconds=15)  # the model would go on for a hundred
        (text,) = await k.texts("C0SHOP", said.ts)
        await asyncio.sleep(1)
        assert await k.texts("C0SHOP", said.ts) == [text]
        assert endless.startswith(text) and text != endless


async def test_a_start_that_got_no_answer_leaves_one_message(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        slowly(k)
        k.slack.faults.rules += [Fault("close_after_delivery", "chat.startStream")]
        said = await k.slack.say("tell me", channel="C0SHOP")
        assert await answered(k, "C0SHOP", said.ts, whole("tell me")) == [whole("tell me")]
        assert called(k, "conversations.replies") >= 1


async def test_a_start_that_got_no_answer_is_found_by_the_successor_of_a_killed_host(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path, hosts=0) as k:
        slowly(k)
        k.slack.faults.rules += [Fault("hang_after_delivery", "chat.startStream", delay_seconds=2)]
        killed = await start_host(k)
        said = await k.slack.say("tell me", channel="C0SHOP")
        await growing(k, said.ts)
        killed.send(signal.SIGKILL)
        successor = await start_host(k)
        assert await answered(k, "C0SHOP", said.ts, whole("tell me")) == [whole("tell me")]
        await end([killed, successor])


async def test_an_expired_stream_loses_nothing(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path, stream_seconds=0.5) as k:
        slowly(k)
        said = await k.slack.say("tell me", channel="C0SHOP")
        assert await answered(k, "C0SHOP", said.ts, whole("tell me")) == [whole("tell me")]
        assert called(k, "chat.startStream") == 1
        assert called(k, "chat.update") >= 1
        assert last_metadata(k, "C0SHOP", said.ts)["final"] is True


async def test_a_workspace_without_streams_gets_posts_and_edits(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path, streaming=False) as k:
        slowly(k)
        for text in ("first", "second"):
            said = await k.slack.say(text, channel="C0SHOP")
            assert await answered(k, "C0SHOP", said.ts, whole(text)) == [whole(text)]
        assert called(k, "chat.startStream") == 1
        assert called(k, "chat.update") >= 4


async def test_a_limited_stream_delays_no_other_channel(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        slowly(k)
        for method in ("chat.appendStream", "chat.stopStream", "chat.update"):
            k.slack.faults.rules += [Fault("rate_limit", method, channel="C0SLOW", retry_after=9)]
        slow = await k.slack.say("slow", channel="C0SLOW")
        quick = await k.slack.say("quick", channel="C0QUICK")
        begun = time.monotonic()
        assert await answered(k, "C0QUICK", quick.ts, whole("quick")) == [whole("quick")]
        assert time.monotonic() - begun < 8
        assert await answered(k, "C0SLOW", slow.ts, whole("slow")) == [whole("slow")]
        assert time.monotonic() - begun > 9


@pytest.mark.parametrize("honour", [True, False], ids=["de-duplicating", "not de-duplicating"])
async def test_fifty_conversations_through_faults_and_tiers_lose_and_double_nothing(
    database_url: str, tmp_path: Path, honour: bool
) -> None:
    faults = [
        Fault("rate_limit", "*", times=None, probability=0.05, retry_after=1),
        Fault("server_error", "*", times=None, probability=0.02),
        Fault("hang_after_delivery", "*", times=None, probability=0.01, delay_seconds=6),
    ]
    async with rig(database_url, tmp_path, honour_client_msg_id=honour, faults=faults, rates=TIERS, seed=7) as k:
        slowly(k)
        channels = [f"C0N{number}" for number in range(50)]
        said = dict(
            zip(channels, await asyncio.gather(*(k.slack.say(f"ask {c}", channel=c) for c in channels)), strict=True)
        )
        for channel, message in said.items():
            await answered(k, channel, message.ts, whole(f"ask {channel}"), timeout=90)
        await asyncio.sleep(2)
        read = {channel: await k.texts(channel, message.ts) for channel, message in said.items()}
        assert read == {channel: [whole(f"ask {channel}")] for channel in channels}
        assert all(last_metadata(k, channel, message.ts)["final"] for channel, message in said.items())
        assert called(k, "chat.startStream") >= 8

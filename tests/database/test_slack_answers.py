"""Answers in Slack that are no ordinary message: long ones, absurdly long ones, one emoji."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from konstruct.channels.slack import stream
from konstruct.channels.slack.client import SlackChannel
from konstruct.messages import Reply
from simulator import Fault
from tests.database.test_slack_streaming import answered, called, growing, slowly, whole
from tests.rig import rig


async def test_an_answer_over_the_limit_streams_its_first_part_and_posts_the_rest(
    database_url: str, tmp_path: Path
) -> None:
    paragraphs = [f"paragraph {n} " + ("text" * 30 + " ") * 4 for n in range(50)]
    async with rig(database_url, tmp_path) as k:
        k.model.reply = lambda _: "\n\n".join(paragraphs)
        k.model._word_seconds = 0.015
        said = await k.slack.say("everything", channel="C0SHOP")
        async with asyncio.timeout(60):
            while "paragraph 49" not in "".join(await k.texts("C0SHOP", said.ts)):
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        texts = await k.texts("C0SHOP", said.ts)
        assert [p.strip() for p in "\n\n".join(texts).split("\n\n")] == [p.strip() for p in paragraphs]
        assert k.slack.api.calls["chat.startStream", "ok"] == 1
        rated = [
            "context_actions" in [block["type"] for block in message.extra.get("blocks", ())]
            for message in k.slack.messages("C0SHOP", thread_ts=said.ts)[1:]
        ]
        assert rated == [*[False] * (len(texts) - 1), True]


async def test_an_absurdly_long_answer_is_its_beginning_and_a_file(database_url: str, tmp_path: Path) -> None:
    whole_text = "\n\n".join(f"paragraph {n} " + ("text" * 30 + " ") * 4 for n in range(75))
    async with rig(database_url, tmp_path) as k:
        k.model.reply = lambda _: whole_text
        said = await k.slack.say("everything", channel="C0SHOP")
        async with asyncio.timeout(30):
            while len(await k.texts("C0SHOP", said.ts)) < 2:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        beginning, file = k.slack.messages("C0SHOP", thread_ts=said.ts)[1:]
        assert beginning.shown.startswith("paragraph 0")
        content = k.slack.files.find(file.extra["files"][0]["id"]).content
        assert (content or b"").decode().strip() == whole_text.strip()


async def test_one_emoji_is_a_reaction_and_nothing_is_said(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        k.model.reply = lambda _: "👍"
        said = await k.slack.say("thank you", channel="C0SHOP")
        entry = await k.slack.expect(lambda e: e.kind == "reaction")
        assert (entry.ts, entry.text) == (said.ts, "thumbsup")
        await asyncio.sleep(0.5)
        assert await k.texts("C0SHOP", said.ts) == []


async def test_a_question_edited_while_its_answer_streams_is_answered_in_the_same_message(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path) as k:
        k.model.reply = lambda messages: f"{messages[-1]['content']}: " + "word " * 40
        k.model._word_seconds = 0.08
        said = await k.slack.say("the first question", channel="C0SHOP")
        await k.slack.expect(lambda e: e.kind == "edit" and bool(e.streaming))
        await k.slack.people.edit(said.ts, "<@U0BOT> another question", channel="C0SHOP")
        async with asyncio.timeout(30):
            while (await k.texts("C0SHOP", said.ts)) != ["another question: " + ("word " * 40).strip()]:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        assert len(await k.texts("C0SHOP", said.ts)) == 1


async def test_an_answer_that_is_written_for_longer_than_a_stream_may_last_goes_on_by_edits_of_the_same_message(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STREAM_SECONDS", 1.5)
    words = " ".join(f"word{n}" for n in range(80))
    async with rig(database_url, tmp_path) as k:
        k.model.reply, k.model._word_seconds = lambda _: words, 0.08
        said = await k.slack.say("tell me", channel="C0SHOP")
        async with asyncio.timeout(30):
            while await k.texts("C0SHOP", said.ts) != [words]:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert await k.texts("C0SHOP", said.ts) == [words]
        calls = k.slack.api.calls
        assert calls["chat.appendStream", "ok"] >= 1
        assert calls["chat.startStream", "ok"] == calls["chat.stopStream", "ok"] == 1
        assert calls["chat.update", "ok"] >= 2


async def test_a_whole_answer_that_slack_held_up_for_too_long_is_edited_in(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STREAM_SECONDS", 7)
    words = " ".join(f"word{n}" for n in range(55))
    async with rig(database_url, tmp_path) as k:
        k.model.reply, k.model._word_seconds = lambda _: words, 0.08
        k.slack.faults.rules += [Fault("rate_limit", "chat.stopStream", retry_after=7)]
        said = await k.slack.say("tell me", channel="C0SHOP")
        async with asyncio.timeout(30):
            while await k.texts("C0SHOP", said.ts) != [words]:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert await k.texts("C0SHOP", said.ts) == [words]
        assert k.slack.api.calls["chat.update", "ok"] == 1


async def test_where_its_row_is_gone_as_an_answer_begins_to_show_only_the_showing_ends(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person was erased, or the app removed, between two steps: no reason to give up the shard."""
    begin = SlackChannel.send

    async def send(self: SlackChannel, reply: Reply, text: str, *, partial: bool = False) -> str:
        ts = await begin(self, reply, text, partial=partial)
        if partial:
            with psycopg.connect(database_url, autocommit=True) as owner:
                owner.execute("delete from outbox where id = %s", [reply.id])
        return ts

    monkeypatch.setattr(SlackChannel, "send", send)
    async with rig(database_url, tmp_path) as k:
        slowly(k)
        said = await k.slack.say("tell me", channel="C0SHOP")
        await growing(k, said.ts)
        await k.slack.expect(lambda e: e.streaming is False, seconds=5)
        assert k.model.calls == 1
        assert await answered(k, "C0SHOP", said.ts, whole("tell me")) == [whole("tell me")]
        assert [parts.host.shards for parts in k.hosts] == [1024]
        # What grows is seen once, and then whole.
        assert called(k, "chat.appendStream") == 0

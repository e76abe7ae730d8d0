"""Replies that grow in Slack: streamed where it can be, edited where it must be, whole in the end."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from konstruct.channels.slack import stream as streaming
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown
from simulator import Fault
from tests.unit.slack_channel import LONG, Desk, desk, reply_to


@pytest.fixture
async def d() -> AsyncIterator[Desk]:
    async with desk() as found:
        yield found


async def test_a_reply_streams_by_appending_and_ends_whole_with_our_metadata(d: Desk) -> None:
    reply = reply_to(await d.asked())
    ts = await d.channel.send(reply, "Hello", partial=True)
    await d.channel.edit(reply, ts, "Hello, wor", partial=True)
    await d.channel.edit(reply, ts, "Hello, world. Which", partial=True)
    await d.channel.edit(reply, ts, "Hello, world. Which?\n[[This | That]]")
    (message,) = d.messages
    assert message.shown == "Hello, world. Which?"
    assert message.extra["metadata"]["event_payload"] | {"turn": ""} == {
        "reply": str(reply.id), "turn": "", "part": 0, "final": True,
    }  # fmt: skip
    assert [block["type"] for block in message.extra["blocks"]] == ["actions", "context_actions"]
    assert d.called("chat.appendStream") == 2
    assert d.called("chat.update") == d.called("chat.postMessage") == 0
    assert d.slack.log[-1].streaming is False


async def test_in_a_channel_it_is_streamed_to_whom_is_answered(d: Desk) -> None:
    source = await d.asked("C0SHOP")
    reply = reply_to(source, channel="C0SHOP", private=False, recipient="T0OTHER/U0CAROL")
    await d.channel.send(reply, "Hello", partial=True)
    assert d.slack.log[-1].streaming is True
    nobody = reply_to(source, number=2, channel="C0SHOP", private=False, recipient="")
    await d.channel.send(nobody, "Hello", partial=True)
    assert d.called("chat.postMessage") == 1


@pytest.mark.parametrize("thread", [True, False], ids=["without streaming methods", "without a thread"])
async def test_without_streams_it_is_posted_and_edited(thread: bool) -> None:
    async with desk(streaming=not thread) as d:
        reply = reply_to(await d.asked(), **({} if thread else {"thread": None}))
        ts = await d.channel.send(reply, "Hello", partial=True)
        await d.channel.edit(reply, ts, "Hello, wor", partial=True)
        await d.channel.edit(reply, ts, "Hello, world")
        assert d.read == ["Hello, world"]
        again = replace(reply, id=reply_to("1", number=2).id)
        await d.channel.send(again, "Again", partial=True)
        # What the workspace lacks is asked for once.
        assert d.called("chat.startStream") == int(thread)
        assert d.called("chat.stopStream") == 0


async def test_a_stream_that_slack_has_ended_is_edited_whole(d: Desk) -> None:
    reply = reply_to(await d.asked())
    ts = await d.channel.send(reply, "Hello", partial=True)
    d.slack.clock.advance(301)
    await d.channel.edit(reply, ts, "Hello, wor", partial=True)
    assert d.read == ["Hello, wor"]
    await d.channel.edit(reply, ts, "Hello, world")
    assert d.read == ["Hello, world"]
    assert d.called("chat.appendStream") == 1


async def test_a_stream_is_given_up_before_slack_ends_it(d: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = reply_to(await d.asked())
    ts = await d.channel.send(reply, "Hello", partial=True)
    monkeypatch.setattr(streaming, "STREAM_SECONDS", -1.0)
    await d.channel.edit(reply, ts, "Hello, wor", partial=True)
    await d.channel.edit(reply, ts, "Hello, world", partial=True)
    await d.channel.edit(reply, ts, "Hello, world!")
    assert d.read == ["Hello, world!"]
    assert d.called("chat.stopStream") == 1


async def test_a_whole_answer_that_waited_too_long_is_edited_in(d: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = reply_to(await d.asked())
    ts = await d.channel.send(reply, "Hello", partial=True)
    monkeypatch.setattr(streaming, "STREAM_SECONDS", -1.0)
    await d.channel.edit(reply, ts, "Hello, world")
    assert d.read == ["Hello, world"]
    assert d.called("chat.stopStream") == d.called("chat.update") == 1
    assert d.messages[0].extra["metadata"]["event_payload"]["final"] is True


async def test_an_answer_that_begins_anew_replaces_what_was_streamed(d: Desk) -> None:
    reply = reply_to(await d.asked())
    ts = await d.channel.send(reply, "Hello, I think", partial=True)
    await d.channel.edit(reply, ts, "Good morning", partial=True)
    assert d.read == ["Good morning"]
    await d.channel.edit(reply, ts, "Good evening")
    assert d.read == ["Good evening"]


async def test_a_shorter_text_while_it_grows_is_waited_out(d: Desk) -> None:
    reply = reply_to(await d.asked())
    ts = await d.channel.send(reply, "Hello, world and", partial=True)
    await d.channel.edit(reply, ts, "Hello, world", partial=True)
    assert d.read == ["Hello, world and"]
    await d.channel.edit(reply, ts, "Hello, world")
    assert d.read == ["Hello, world"]


@pytest.mark.parametrize("posted", [True, False], ids=["posted", "streamed"])
async def test_a_successor_ends_what_another_process_began(d: Desk, posted: bool) -> None:
    reply = reply_to(await d.asked(), **({"thread": None} if posted else {}))
    ts = await d.channel.send(reply, "Hello", partial=True)
    successor = d.another()
    await successor.edit(reply, ts, "Hi the", partial=True)
    await successor.edit(reply, ts, "Hi there")
    await d.another().edit(reply, ts, "Hi there")
    assert d.read == ["Hi there"]
    assert d.messages[0].extra["metadata"]["event_payload"]["final"] is True


async def test_a_stream_whose_beginning_got_no_answer_is_found_again(d: Desk) -> None:
    await d.channel.send(reply_to(source := await d.asked(), number=1), "an earlier answer")
    reply = reply_to(source, number=2)
    assert await d.channel.find(reply) is None
    d.slack.faults.rules += [Fault("close_after_delivery", "chat.startStream")]
    with pytest.raises(ChannelOutcomeUnknown):
        await d.channel.send(reply, "Hello", partial=True)
    for process in (d.channel, d.another()):
        found = await process.find(reply)
        assert found is not None
        assert (found.external_id, found.partial) == (d.messages[-1].ts, True)
    await d.another().edit(reply, found.external_id, "Hello, world")
    assert d.read == ["an earlier answer", "Hello, world"]
    assert (await d.another().find(reply)).partial is False  # type: ignore[union-attr]
    assert await d.another().find(reply_to(source, number=3)) is None


@pytest.mark.parametrize("kind", ["close_after_delivery", "close_before_delivery", "server_error"])
@pytest.mark.parametrize("method", ["chat.appendStream", "chat.stopStream"])
async def test_what_got_no_answer_is_edited_whole(d: Desk, method: str, kind: str) -> None:
    reply = reply_to(await d.asked())
    ts = await d.channel.send(reply, "Hello", partial=True)
    d.slack.faults.rules += [Fault(kind, method)]  # type: ignore[arg-type]
    for partial in (True, False):
        try:
            await d.channel.edit(reply, ts, "Hello, wor" if partial else "Hello, world", partial=partial)
        except ChannelOutcomeUnknown:
            await d.channel.edit(reply, ts, "Hello, world")
            break
    assert d.read == ["Hello, world"]
    assert len(d.messages) == 1


@pytest.mark.parametrize("code", ["invalid_blocks", "message_not_in_streaming_state", "msg_too_long"])
@pytest.mark.parametrize("method", ["chat.appendStream", "chat.stopStream"])
async def test_what_a_stream_refuses_is_edited_in(d: Desk, method: str, code: str) -> None:
    reply = reply_to(await d.asked())
    ts = await d.channel.send(reply, "Hello", partial=True)
    if code == "message_not_in_streaming_state":
        d.slack.clock.advance(301)
    d.slack.faults.rules += [Fault("refuse", method, error=code)]
    for partial in (True, False):
        await d.channel.edit(reply, ts, "Hello, wor" if partial else "Hello, world", partial=partial)
    assert d.read == ["Hello, world"]
    assert d.messages[0].extra["metadata"]["event_payload"]["final"] is True


async def test_a_message_that_streams_against_what_we_believe_is_ended_first(d: Desk) -> None:
    reply = reply_to(await d.asked())
    ts = await d.channel.send(reply, "Hello", partial=True)
    successor = d.another()
    successor._streams.grows_by_edits(reply)
    with pytest.raises(ChannelBusy):
        await successor.edit(reply, ts, "Hello, world")
    await successor.edit(reply, ts, "Hello, world")
    assert d.read == ["Hello, world"]


@pytest.mark.parametrize("code", ["edit_window_closed", "cant_update_message"])
async def test_where_a_message_may_not_be_edited_the_whole_answer_is_posted_below(d: Desk, code: str) -> None:
    reply = reply_to(await d.asked(), thread=None)
    ts = await d.channel.send(reply, "Hello", partial=True)
    d.slack.faults.rules += [Fault("refuse", "chat.update", times=2, error=code)]
    for _ in range(2):
        await d.channel.edit(reply, ts, "Hello, world")
    assert d.read == ["Hello", "Hello, world"]


@pytest.mark.parametrize("posted", [True, False], ids=["posted", "streamed"])
async def test_an_answer_that_nobody_wants_any_more_stays_as_it_is_and_ends(d: Desk, posted: bool) -> None:
    reply = reply_to(await d.asked(), **({"thread": None} if posted else {}))
    ts = await d.channel.send(reply, "Hello, wor", partial=True)
    await d.another().edit(reply, ts, "")
    assert d.read == ["Hello, wor"]
    assert d.slack.log[-1].streaming is (None if posted else False)
    if not posted:
        assert await d.another().find(replace(reply, id=reply_to("1", number=2).id)) is None


async def test_a_refused_beginning_is_posted(d: Desk) -> None:
    d.slack.faults.rules += [
        Fault("refuse", "chat.startStream", error="channel_type_not_supported"),
        Fault("rate_limit", "chat.startStream"),
    ]
    for number in (1, 2):
        await d.channel.send(reply_to(await d.asked(), number=number), "Hello", partial=True)
    assert d.called("chat.postMessage") == 2


async def test_a_rate_limited_append_is_repeated_and_loses_nothing(d: Desk) -> None:
    reply = reply_to(await d.asked())
    ts = await d.channel.send(reply, "Hello", partial=True)
    d.slack.faults.rules += [Fault("rate_limit", "chat.appendStream", retry_after=7)]
    with pytest.raises(ChannelBusy) as busy:
        await d.channel.edit(reply, ts, "Hello, wor", partial=True)
    assert busy.value.retry_after == 7
    with pytest.raises(ChannelBusy, match="paced"):
        await d.channel.edit(reply, ts, "Hello, wor", partial=True)
    assert d.called("chat.appendStream") == 1
    await d.channel.edit(reply, ts, "Hello, world")
    assert d.read == ["Hello, world"]
    assert d.called("chat.update") == 0


async def test_many_replies_at_once_stream_until_the_tier_is_used_up_and_end_whole(d: Desk) -> None:
    replies = [reply_to(await d.asked(), number=number + 1) for number in range(20)]
    shown = [(reply, await d.channel.send(reply, "Hello", partial=True)) for reply in replies]
    assert d.called("chat.startStream") == 8
    assert d.called("chat.postMessage") == 12
    for reply, ts in shown:
        await d.channel.edit(reply, ts, LONG)
    assert d.read == [LONG.strip()] * 20


async def test_nothing_is_shown_of_a_table_or_a_lone_emoji_before_it_is_whole(d: Desk) -> None:
    reply = reply_to(await d.asked())
    for text in ("| a | b |\n|---|---|\n| 1", "👍", "\n\n"):
        with pytest.raises(ChannelBusy):
            await d.channel.send(reply, text, partial=True)
    assert d.messages == []

"""What is posted to Slack: Markdown, parts, reactions, choices, feedback; and what is found again."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from konstruct.channels.slack.buttons import read_feedback
from konstruct.channels.slack.rendering import length
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, ChannelRefused
from simulator import Fault
from tests.unit.slack_channel import Desk, desk, reply_to


@pytest.fixture
async def d() -> AsyncIterator[Desk]:
    async with desk() as found:
        yield found


async def test_markdown_is_sent_as_a_block_with_an_escaped_fallback(d: Desk) -> None:
    await d.channel.send(reply_to(await d.asked()), "**Bold** 5 < 6\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    (message,) = d.messages
    assert message.shown == "**Bold** 5 < 6\n\n```\na │ b\n- │ -\n1 │ 2\n```"
    assert message.text.startswith("**Bold** 5 &lt; 6")
    assert message.extra["metadata"]["event_payload"]["final"] is True


async def test_a_long_text_can_be_posted_and_edited_whole(d: Desk) -> None:
    long = "<words> & more. " * 680
    (part,) = d.channel.split(long)
    reply = reply_to(await d.asked(), thread=None)
    ts = await d.channel.send(reply, "begun", partial=True)
    await d.channel.edit(reply, ts, part)
    assert d.read == [long.strip()]


def test_parts_fit_and_an_absurdly_long_answer_is_a_beginning_and_a_file() -> None:
    from tests.unit.slack_channel import opened

    channel = opened("http://127.0.0.1/", None)  # type: ignore[arg-type]
    parts = channel.split("A paragraph of words.\n\n" * 1_400)
    assert len(parts) == 3
    assert all(length(part) <= 12_000 for part in parts)
    whole = "A paragraph of words.\n\n" * 5_000
    beginning, file = channel.split(whole + "Which?\n[[This | That]]")
    assert length(beginning) < 2_000
    assert "in the file" in beginning and beginning.endswith("[[This | That]]")
    assert file == whole + "Which?"


async def test_choices_become_buttons_and_feedback_is_asked_for_on_a_whole_answer(d: Desk) -> None:
    reply = reply_to(await d.asked())
    await d.channel.send(reply, "Which size?\n[[Small | Large]]")
    (message,) = d.messages
    assert message.shown == "Which size?"
    actions, feedback = message.extra["blocks"][1:]
    assert [button["value"] for button in actions["elements"]] == ["Small", "Large"]
    (buttons,) = feedback["elements"]
    assert buttons["action_id"] == "konstruct_feedback"
    assert read_feedback(buttons["positive_button"]["value"]) == (reply.turn, True)
    assert read_feedback(buttons["negative_button"]["value"]) == (reply.turn, False)
    assert read_feedback("good:nonsense") is None


async def test_feedback_is_asked_for_below_the_last_part_only(d: Desk) -> None:
    reply = replace(reply_to(await d.asked()), last=False)
    await d.channel.send(reply, "the first part")
    assert [block["type"] for block in d.messages[0].extra["blocks"]] == ["markdown"]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("👍", "thumbsup"),
        ("❤️", "heart"),
        ("🎉 ", "tada"),
        ("👍🏽", "thumbsup::skin-tone-4"),
        ("🇩🇪", "flag-de"),
        (":eyes:", "eyes"),
        ("✅", "white_check_mark"),
    ],
)
async def test_an_answer_of_one_emoji_is_a_reaction(d: Desk, answer: str, name: str) -> None:
    source = await d.asked()
    reply = reply_to(source)
    for _ in range(2):
        await d.channel.send(reply, answer)
    assert d.messages == []
    (entry,) = [entry for entry in d.slack.log if entry.kind == "reaction"]
    assert (entry.ts, entry.text) == (source, name)
    await d.channel.unreact("D0ALICE", source, name)
    await d.channel.unreact("D0ALICE", source, name)


@pytest.mark.parametrize("answer", ["👍👍", "ok 👍", "5", "©", "::"])
async def test_anything_else_is_said(d: Desk, answer: str) -> None:
    await d.channel.send(reply_to(await d.asked()), answer)
    assert d.read == [answer]


async def test_where_the_message_is_gone_or_the_emoji_unknown_it_is_said_instead(d: Desk) -> None:
    d.slack.faults.rules += [Fault("refuse", "reactions.add", times=3, error="invalid_name")]
    await d.channel.send(reply_to(await d.asked()), "👍")
    assert d.read == ["👍"]
    await d.channel.send(reply_to("1700000000.000001", number=2, thread=None), "🎉")
    assert d.read == ["👍", "🎉"]


async def test_blocks_that_slack_refuses_are_left_out(d: Desk) -> None:
    d.slack.faults.rules += [Fault("refuse", times=2, error="invalid_blocks")]
    await d.channel.send(reply_to(await d.asked()), "5 < 6\n[[Yes | No]]")
    assert d.read == ["5 &lt; 6\n[[Yes | No]]"]
    assert d.called("chat.postMessage") == 3


async def test_a_reply_is_found_by_its_metadata(d: Desk) -> None:
    for thread in (await d.asked(), None):
        reply = reply_to(await d.asked(), number=5 if thread else 6, thread=thread)
        assert await d.another().find(reply) is None
        ts = await d.channel.send(reply, "here I am")
        found = await d.another().find(reply)
        assert found is not None
        assert (found.external_id, found.partial) == (ts, False)
        assert await d.another().find(replace(reply, id=reply_to("1", number=9).id)) is None


async def test_the_search_is_one_call_and_waits_as_long_as_slack_asks(d: Desk) -> None:
    reply = reply_to(await d.asked())
    d.slack.faults.rules += [Fault("rate_limit", "conversations.replies", retry_after=60)]
    with pytest.raises(ChannelBusy) as busy:
        await d.channel.find(reply)
    assert busy.value.retry_after == 60
    assert d.called("conversations.replies") == 1


async def test_outside_the_marketplace_a_reply_is_found_in_fifteen_messages_and_once_a_minute() -> None:
    async with desk(non_marketplace=True) as d:
        source = await d.asked()
        for _ in range(30):
            await d.slack.say("talk", thread_ts=source)
        d.slack.clock.advance(120)
        reply = reply_to(source)
        ts = await d.channel.send(reply, "here I am")
        created = datetime.fromtimestamp(d.slack.clock.now(), UTC)
        found = await d.another().find(replace(reply, created_at=created))
        assert found is not None and found.external_id == ts
        with pytest.raises(ChannelBusy) as busy:
            await d.another().find(reply)
        assert 1 <= busy.value.retry_after <= 60


@pytest.mark.parametrize("code", ["token_revoked", "account_inactive", "invalid_auth"])
async def test_a_dead_token_is_refused_with_what_to_do(d: Desk, code: str) -> None:
    d.slack.faults.rules += [Fault("refuse", error=code)]
    with pytest.raises(ChannelRefused, match="put a valid bot_token into the tenant file"):
        await d.channel.send(reply_to(await d.asked()), "hello")


async def test_a_missing_scope_is_named(d: Desk) -> None:
    d.slack.faults.rules += [Fault("refuse", error="missing_scope")]
    with pytest.raises(ChannelRefused, match="Give the app the scope"):
        await d.channel.send(reply_to(await d.asked()), "hello")


async def test_an_operation_of_several_requests_ends_in_time(d: Desk) -> None:
    d.slack.faults.rules += [Fault("latency", "*", times=None, delay_seconds=0.15)]
    from konstruct.channels.slack.web_api import operation

    async def three_requests() -> None:
        async with operation(0.2):
            for _ in range(3):
                await d.channel._api.get("auth.test", {})

    with pytest.raises(ChannelOutcomeUnknown):
        await three_requests()
    assert d.called("auth.test") == 1


async def test_the_status_offers_loading_messages_and_is_taken_away(d: Desk) -> None:
    reply = reply_to(await d.asked())
    await d.channel.show_status(reply.address, reply.source_id, "is thinking…")
    await d.channel.show_status(reply.address, reply.source_id, "")
    assert [entry.text for entry in d.slack.log if entry.kind == "status"] == ["is thinking…", ""]


@pytest.mark.parametrize("posted", [True, False], ids=["posted", "streamed"])
async def test_a_whole_answer_below_its_beginning_is_found_before_it_is_posted_again(posted: bool) -> None:
    """A crash between that post and its mark, where Slack does not de-duplicate."""
    async with desk(honour_client_msg_id=False) as d:
        reply = reply_to(await d.asked(), **({"thread": None} if posted else {}))
        ts = await d.channel.send(reply, "Hello", partial=True)
        d.slack.faults.rules += [Fault("refuse", "chat.update", times=None, error="cant_update_message")]
        await d.channel.edit(replace(reply, external_id=ts), ts, "Hi, world")
        assert d.read == ["Hello", "Hi, world"]
        await d.another().edit(replace(reply, external_id=ts), ts, "Hi, world")
        assert d.read == ["Hello", "Hi, world"]
        found = await d.another().find(reply)  # also by who does not know its beginning
        assert found is not None and (found.partial, found.external_id) == (False, d.messages[1].ts)


async def test_without_the_right_to_look_for_it_a_whole_answer_is_posted_below_all_the_same(d: Desk) -> None:
    reply = reply_to(await d.asked(), thread=None)
    ts = await d.channel.send(reply, "Hello", partial=True)
    d.slack.faults.rules += [
        Fault("refuse", "chat.update", error="cant_update_message"),
        Fault("refuse", "conversations.history", error="missing_scope"),
    ]
    await d.channel.edit(reply, ts, "Hello, world")
    assert d.read == ["Hello", "Hello, world"]

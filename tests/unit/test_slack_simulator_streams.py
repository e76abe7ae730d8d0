"""The simulated Slack's streamed messages, driven by Slack's own SDK."""

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
import pytest_asyncio
from slack_sdk.errors import SlackApiError
from slack_sdk.models.messages.chunk import MarkdownTextChunk, TaskUpdateChunk
from slack_sdk.web.async_client import AsyncWebClient

from simulator import App, SlackSimulator

pytestmark = pytest.mark.asyncio
ACME = App()
DM = {"channel": "D0ALICE", "thread_ts": "1700000000.000100"}
FEEDBACK: list[dict[str, Any]] = [
    {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": "feedback",
                "positive_button": {"text": {"type": "plain_text", "text": "Good"}, "value": "good"},
                "negative_button": {"text": {"type": "plain_text", "text": "Bad"}, "value": "bad"},
            }
        ],
    }
]


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with SlackSimulator([ACME], retry_seconds=()) as simulator:
        yield simulator


@pytest.fixture
def client(slack: SlackSimulator) -> AsyncWebClient:
    return AsyncWebClient(ACME.bot_token, base_url=slack.url)


async def error_of(call: Awaitable[Any]) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


async def test_a_streamed_message_grows_and_is_whole_when_stopped(
    slack: SlackSimulator, client: AsyncWebClient
) -> None:
    ts = (await client.chat_startStream(**DM, markdown_text="Hello"))["ts"]
    await client.chat_appendStream(channel="D0ALICE", ts=ts, markdown_text=", world")
    metadata = {"event_type": "reply", "event_payload": {"id": "1"}}
    stopped = await client.chat_stopStream(
        channel="D0ALICE", ts=ts, markdown_text="!", blocks=FEEDBACK, metadata=metadata
    )
    assert [entry.text for entry in slack.log] == ["Hello", "Hello, world", "Hello, world!"]
    assert [entry.kind for entry in slack.log] == ["message", "edit", "edit"]
    assert [entry.streaming for entry in slack.log] == [True, True, False]
    assert slack.log[2].blocks == FEEDBACK
    assert slack.log[2].metadata == metadata
    assert stopped["message"]["text"] == "Hello, world!"
    (reply,) = (await client.conversations_replies(channel="D0ALICE", ts=DM["thread_ts"]))["messages"]
    assert (reply["ts"], reply["text"]) == (ts, "Hello, world!")


async def test_the_sdks_own_streamer_agrees(slack: SlackSimulator, client: AsyncWebClient) -> None:
    streamer = await client.chat_stream(**DM, buffer_size=4)
    await streamer.append(markdown_text="one two")
    await streamer.append(
        chunks=[TaskUpdateChunk(id="t1", title="Look it up", status="in_progress"), MarkdownTextChunk(text=" three")]
    )
    await streamer.append(chunks=[TaskUpdateChunk(id="t1", title="Look it up", status="complete")])
    await streamer.stop(markdown_text=" four", blocks=FEEDBACK)
    assert slack.log[-1].text == "one two three four"
    assert slack.log[-1].blocks == [
        {"type": "task_card", "task_id": "t1", "title": "Look it up", "status": "complete"},
        *FEEDBACK,
    ]


async def test_outside_direct_messages_a_stream_must_say_who_it_is_for(client: AsyncWebClient) -> None:
    channel: dict[str, Any] = {"channel": "C1X", "thread_ts": "1700000000.000100"}
    assert await error_of(client.chat_startStream(**channel)) == "missing_recipient_team_id"
    channel["recipient_team_id"] = "T0ACME"
    assert await error_of(client.chat_startStream(**channel)) == "missing_recipient_user_id"
    assert (await client.chat_startStream(**channel, recipient_user_id="U0ALICE"))["ok"]
    assert await error_of(client.chat_startStream(channel="D0ALICE", thread_ts="")) == "invalid_arguments"


async def test_an_expired_stream_takes_no_more_but_can_be_edited(slack: SlackSimulator, client: AsyncWebClient) -> None:
    ts = (await client.chat_startStream(**DM, markdown_text="Hello"))["ts"]
    assert await error_of(client.chat_update(channel="D0ALICE", ts=ts, text="x")) == "streaming_state_conflict"
    slack.clock.advance(299)
    await client.chat_appendStream(channel="D0ALICE", ts=ts, markdown_text=", wor")
    slack.clock.advance(2)
    gone = "message_not_in_streaming_state"
    assert await error_of(client.chat_appendStream(channel="D0ALICE", ts=ts, markdown_text="ld")) == gone
    assert await error_of(client.chat_stopStream(channel="D0ALICE", ts=ts)) == gone
    await client.chat_update(channel="D0ALICE", ts=ts, text="Hello, world")
    assert slack.log[-1].text == "Hello, world"


async def test_how_long_a_stream_lives_can_be_said(slack: SlackSimulator, client: AsyncWebClient) -> None:
    slack.options.stream_seconds = 0.0
    ts = (await client.chat_startStream(**DM))["ts"]
    assert await error_of(client.chat_stopStream(channel="D0ALICE", ts=ts)) == "message_not_in_streaming_state"


async def test_a_stopped_stream_can_be_edited_and_an_ordinary_message_not_streamed(client: AsyncWebClient) -> None:
    ts = (await client.chat_startStream(**DM, markdown_text="a"))["ts"]
    await client.chat_stopStream(channel="D0ALICE", ts=ts)
    assert (await client.chat_update(channel="D0ALICE", ts=ts, text="b"))["text"] == "b"
    posted = (await client.chat_postMessage(channel="D0ALICE", text="x"))["ts"]
    for wrong in (ts, posted):
        refused = await error_of(client.chat_appendStream(channel="D0ALICE", ts=wrong, markdown_text="x"))
        assert refused == "message_not_in_streaming_state"


async def test_a_stream_keeps_the_mode_in_which_it_began(client: AsyncWebClient) -> None:
    chunks = [{"type": "markdown_text", "text": "b"}]
    ts = (await client.chat_startStream(**DM, markdown_text="a"))["ts"]
    refused = await error_of(client.chat_appendStream(channel="D0ALICE", ts=ts, chunks=chunks))
    assert refused == "streaming_mode_mismatch"
    ts = (await client.chat_startStream(**DM, chunks=chunks))["ts"]
    refused = await error_of(client.chat_stopStream(channel="D0ALICE", ts=ts, markdown_text="a"))
    assert refused == "streaming_mode_mismatch"


async def test_a_streams_limits_are_slacks(client: AsyncWebClient) -> None:
    ts = (await client.chat_startStream(**DM, chunks=[{"type": "plan_update", "title": "Plan"}]))["ts"]

    async def appended(*chunks: dict[str, Any]) -> str:
        return await error_of(client.chat_appendStream(channel="D0ALICE", ts=ts, chunks=chunks))

    assert await error_of(client.chat_startStream(**DM, markdown_text="x" * 12_001)) == "msg_too_long"
    assert await appended({"type": "markdown_text", "text": "x" * 12_001}) == "msg_too_long"
    assert await appended({"type": "task_update", "id": "1", "title": "t", "status": "done"}) == "invalid_chunks"
    assert await appended({"type": "blocks", "blocks": [{"type": "divider"}] * 51}) == "invalid_blocks"
    assert await appended() == "no_text"


async def test_a_govslack_knows_no_streams(slack: SlackSimulator, client: AsyncWebClient) -> None:
    slack.options.streaming = False
    assert await error_of(client.chat_startStream(**DM)) == "unknown_method"


async def test_blocks_are_what_is_read_and_stay_when_only_the_text_is_edited(
    slack: SlackSimulator, client: AsyncWebClient
) -> None:
    blocks: list[dict[str, Any]] = [{"type": "markdown", "text": "**Hi**"}, {"type": "divider"}]
    ts = (await client.chat_postMessage(channel="C1X", text="notification", blocks=blocks))["ts"]
    await client.chat_update(channel="C1X", ts=ts, text="other notification")
    await client.chat_update(channel="C1X", ts=ts, text="only text", blocks=[])
    assert [entry.text for entry in slack.log] == ["**Hi**", "**Hi**", "only text"]
    assert slack.log[0].blocks == blocks
    long = [{"type": "markdown", "text": "x" * 6_001}] * 2
    assert await error_of(client.chat_postMessage(channel="C1X", text="x", blocks=long)) == "msg_blocks_too_long"
    unknown = [{"type": "marquee"}]
    assert await error_of(client.chat_postMessage(channel="C1X", text="x", blocks=unknown)) == "invalid_blocks"
    both = client.chat_postMessage(channel="C1X", text="x", markdown_text="y")
    assert await error_of(both) == "markdown_text_conflict"

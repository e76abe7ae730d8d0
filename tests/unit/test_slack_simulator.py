"""The simulated Slack's Web API, driven by Slack's own SDK: official clients must agree with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
import pytest_asyncio
from slack_sdk.errors import SlackApiError
from slack_sdk.models.metadata import Metadata
from slack_sdk.web.async_client import AsyncWebClient

from simulator import App, Entry, SlackSimulator

pytestmark = pytest.mark.asyncio
ACME = App(signing_secret="acme-secret")
GLOBEX = App(
    tenant="globex",
    team="T0GLOBEX",
    app="A0GLOBEX",
    bot_user="U0GBOT",
    bot="B0GBOT",
    bot_token="xoxb-globex",
    signing_secret="globex-secret",
)


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with SlackSimulator([ACME, GLOBEX], retry_seconds=()) as simulator:
        yield simulator


@pytest.fixture
def client(slack: SlackSimulator) -> AsyncWebClient:
    return AsyncWebClient(ACME.bot_token, base_url=slack.url)


async def error_of(call: Awaitable[Any]) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


async def test_a_post_is_visible_in_history_and_an_edit_replaces_it(client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel="C1X", text="one")
    await client.chat_postMessage(channel="C1X", text="two")
    await client.chat_update(channel="C1X", ts=posted["ts"], text="one, mended")
    messages = (await client.conversations_history(channel="C1X"))["messages"]
    assert [message["text"] for message in messages] == ["two", "one, mended"]
    assert messages[1]["ts"] == posted["ts"]
    assert messages[1]["edited"]["user"] == "U0BOT"


async def test_timestamps_of_a_channel_strictly_increase(client: AsyncWebClient) -> None:
    posts = await asyncio.gather(*(client.chat_postMessage(channel="C1X", text=str(n)) for n in range(50)))
    assert len({post["ts"] for post in posts}) == 50
    newest_first = [m["ts"] for m in (await client.conversations_history(channel="C1X"))["messages"]]
    assert newest_first == sorted(newest_first, key=float, reverse=True)


async def test_a_thread_holds_its_root_and_replies_and_history_only_the_root(client: AsyncWebClient) -> None:
    root = (await client.chat_postMessage(channel="C1X", text="root"))["ts"]
    for number in range(5):
        await client.chat_postMessage(channel="C1X", text=f"reply {number}", thread_ts=root)
    first = await client.conversations_replies(channel="C1X", ts=root, limit=4)
    assert [m["text"] for m in first["messages"]] == ["root", "reply 0", "reply 1", "reply 2"]
    pages = [m["text"] async for page in first for m in page["messages"]]
    assert pages[-2:] == ["reply 3", "reply 4"]
    assert len((await client.conversations_history(channel="C1X"))["messages"]) == 1


async def test_history_can_be_limited_by_time(client: AsyncWebClient) -> None:
    stamps = [(await client.chat_postMessage(channel="C1X", text=str(n)))["ts"] for n in range(4)]

    async def texts(**limits: Any) -> list[str]:
        return [m["text"] for m in (await client.conversations_history(channel="C1X", **limits))["messages"]]

    assert await texts(oldest=stamps[1]) == ["3", "2"]
    assert await texts(oldest=stamps[1], latest=stamps[2], inclusive=True) == ["2", "1"]
    assert await error_of(client.conversations_history(channel="C1X", oldest="yesterday")) == "invalid_ts_oldest"


async def test_metadata_is_returned_only_when_asked_for(client: AsyncWebClient) -> None:
    metadata = Metadata(event_type="konstruct_reply", event_payload={"reply": "r1"})
    await client.chat_postMessage(channel="C1X", text="one", metadata=metadata)
    plain = (await client.conversations_history(channel="C1X"))["messages"][0]
    full = (await client.conversations_history(channel="C1X", include_all_metadata=True))["messages"][0]
    assert "metadata" not in plain
    assert full["metadata"]["event_payload"] == {"reply": "r1"}


async def test_a_repeated_client_msg_id_shows_nothing_new(client: AsyncWebClient, slack: SlackSimulator) -> None:
    first = await client.chat_postMessage(channel="C1X", text="one", client_msg_id="id-1")
    second = await client.chat_postMessage(channel="C1X", text="one", client_msg_id="id-1")
    elsewhere = await client.chat_postMessage(channel="C2X", text="one", client_msg_id="id-1")
    assert first["ts"] == second["ts"]
    assert [entry.channel for entry in slack.log] == ["C1X", "C2X"]
    assert elsewhere["ok"]


async def test_a_slack_that_ignores_client_msg_id_shows_both() -> None:
    async with SlackSimulator([ACME], honour_client_msg_id=False) as slack:
        client = AsyncWebClient(ACME.bot_token, base_url=slack.url)
        for _ in range(2):
            await client.chat_postMessage(channel="C1X", text="one", client_msg_id="id-1")
        assert [entry.client_msg_id for entry in slack.log] == ["id-1", "id-1"]
        messages = (await client.conversations_history(channel="C1X"))["messages"]
        assert not any("client_msg_id" in message for message in messages)


async def test_wrong_calls_get_the_errors_that_slack_gives(client: AsyncWebClient, slack: SlackSimulator) -> None:
    theirs = (await slack.say("hello", channel="D0ALICE")).ts
    mine = (await client.chat_postMessage(channel="C1X", text="mine"))["ts"]
    stranger = AsyncWebClient("xoxb-wrong", base_url=slack.url)
    nobody = AsyncWebClient(base_url=slack.url)
    update, post = client.chat_update, client.chat_postMessage
    assert await error_of(stranger.auth_test()) == "invalid_auth"
    assert await error_of(nobody.auth_test()) == "not_authed"
    assert await error_of(client.api_call("chat.unheard")) == "unknown_method"
    assert await error_of(post(channel="general", text="x")) == "channel_not_found"
    assert await error_of(client.api_call("chat.postMessage", json={"channel": "C1X", "text": " "})) == "no_text"
    assert await error_of(post(channel="C1X", text="x", metadata={"a": 1})) == "invalid_metadata_format"
    assert await error_of(update(channel="C1X", ts="1.000000", text="x")) == "message_not_found"
    assert await error_of(update(channel="D0ALICE", ts=theirs, text="x")) == "cant_update_message"
    assert await error_of(update(channel="C1X", ts=mine, text="&" * 801)) == "msg_too_long"


async def test_form_bodies_are_read_like_json_ones(client: AsyncWebClient, slack: SlackSimulator) -> None:
    metadata = '{"event_type": "t", "event_payload": {"n": 1}}'
    await client.api_call("chat.postMessage", data={"channel": "C1X", "text": "ü & more", "metadata": metadata})
    assert slack.log[0].text == "ü & more"
    assert slack.log[0].metadata == {"event_type": "t", "event_payload": {"n": 1}}


async def test_each_team_sees_only_its_own_channels(client: AsyncWebClient, slack: SlackSimulator) -> None:
    globex = AsyncWebClient(GLOBEX.bot_token, base_url=slack.url)
    await client.chat_postMessage(channel="C1X", text="acme's")
    assert (await globex.auth_test())["team_id"] == "T0GLOBEX"
    assert (await globex.conversations_history(channel="C1X"))["messages"] == []


async def test_the_log_keeps_every_edit_status_and_deletion_in_order(
    client: AsyncWebClient, slack: SlackSimulator
) -> None:
    said = await slack.say("hello", channel="D0ALICE")
    await client.assistant_threads_setStatus(channel_id="D0ALICE", thread_ts=said.ts, status="is thinking…")
    ts = (await client.chat_postMessage(channel="D0ALICE", text="a"))["ts"]
    await client.chat_update(channel="D0ALICE", ts=ts, text="ab")
    await client.chat_delete(channel="D0ALICE", ts=ts)
    assert [(entry.kind, entry.text, entry.by_app) for entry in slack.log] == [
        ("message", "hello", False),
        ("status", "is thinking…", True),
        ("message", "a", True),
        ("edit", "ab", True),
        ("delete", "ab", True),
    ]
    assert [entry.seq for entry in slack.log] == [0, 1, 2, 3, 4]
    assert [message.text for message in slack.messages("D0ALICE")] == ["hello"]


async def test_a_test_can_wait_for_what_becomes_visible(slack: SlackSimulator, client: AsyncWebClient) -> None:
    def is_answer(entry: Entry) -> bool:
        return entry.text == "answer"

    waiting = asyncio.create_task(slack.expect(is_answer))
    await client.chat_postMessage(channel="C1X", text="noise")
    await client.chat_postMessage(channel="C1X", text="answer")
    assert (await waiting).channel == "C1X"
    with pytest.raises(TimeoutError):
        await slack.expect(lambda entry: entry.text == "never", seconds=0.05)

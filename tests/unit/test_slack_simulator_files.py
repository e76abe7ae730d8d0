"""The simulated Slack's files, home tabs, limits and the rest of its Web API."""

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from simulator import App, SlackSimulator
from tests.hook import Hook, hooked

pytestmark = pytest.mark.asyncio
ACME = App()
GLOBEX = App(tenant="globex", team="T0GLOBEX", app="A0GLOBEX", bot_token="xoxb-globex")


@pytest_asyncio.fixture
async def hook() -> AsyncIterator[Hook]:
    async with hooked() as hook:
        yield hook


@pytest_asyncio.fixture
async def slack(hook: Hook) -> AsyncIterator[SlackSimulator]:
    async with SlackSimulator([ACME, GLOBEX], webhook=f"{hook.url}/slack/events", retry_seconds=()) as simulator:
        yield simulator


@pytest.fixture
def client(slack: SlackSimulator) -> AsyncWebClient:
    return AsyncWebClient(ACME.bot_token, base_url=slack.url, timeout=2)


async def error_of(call: Awaitable[Any]) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


async def test_a_shared_file_can_be_read_with_the_right_token_only(slack: SlackSimulator, hook: Hook) -> None:
    await slack.people.share("prices.csv", "a;1\nb;2\n", mimetype="text/csv", text="our prices")
    event = hook.events[0]
    assert (event["type"], event["subtype"], event["text"]) == ("message", "file_share", "our prices")
    (file,) = event["files"]
    assert (file["name"], file["mimetype"], file["size"]) == ("prices.csv", "text/csv", 8)
    async with aiohttp.ClientSession() as session:

        async def get(token: str) -> tuple[int, str, bytes]:
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get(file["url_private"], headers=headers) as answer:
                return answer.status, answer.content_type, await answer.read()

        assert await get(ACME.bot_token) == (200, "text/csv", b"a;1\nb;2\n")
        assert (await get(GLOBEX.bot_token))[0] == 404
        assert (await get("wrong"))[1] == "text/html"
        slack.options.redirect_files_to = "http://elsewhere.example/steal"
        headers = {"Authorization": f"Bearer {ACME.bot_token}"}
        async with session.get(file["url_private"], headers=headers, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, "http://elsewhere.example/steal")


async def test_a_mention_with_a_file_has_it_in_both_events(slack: SlackSimulator, hook: Hook) -> None:
    await slack.people.share("a.txt", "x", channel="C1X", text="look")
    kinds = {event["type"]: event for event in hook.events}
    assert kinds["app_mention"]["files"] == kinds["message"]["files"]
    assert "subtype" not in kinds["app_mention"]
    assert kinds["message"]["subtype"] == "file_share"


async def test_a_file_that_must_be_asked_about_can_be(slack: SlackSimulator, hook: Hook, client: Any) -> None:
    await slack.people.share("a.txt", "x", visible=False)
    (file,) = hook.events[0]["files"]
    assert (file["file_access"], "url_private" in file) == ("check_file_info", False)
    assert (await client.files_info(file=file["id"]))["file"]["name"] == "a.txt"
    assert await error_of(client.files_info(file="F0NONE")) == "file_not_found"


async def test_the_sdks_upload_makes_a_message_with_a_file(
    slack: SlackSimulator, client: AsyncWebClient, tmp_path: Path
) -> None:
    path = tmp_path / "report.txt"
    path.write_text("all is well")
    await client.files_upload_v2(
        channel="C1X", file=str(path), title="Report", initial_comment="Here", thread_ts="1700000000.000100"
    )
    (entry,) = slack.log
    assert (entry.kind, entry.text, entry.thread_ts, entry.by_app) == ("message", "Here", "1700000000.000100", True)
    assert entry.files is not None
    assert (entry.files[0]["title"], entry.files[0]["size"]) == ("Report", 11)
    headers = {"Authorization": f"Bearer {ACME.bot_token}"}
    async with aiohttp.ClientSession() as session:
        async with session.get(entry.files[0]["url_private"], headers=headers) as answer:
            assert await answer.read() == b"all is well"


async def test_an_upload_without_content_becomes_no_message(client: AsyncWebClient, slack: SlackSimulator) -> None:
    begun = await client.files_getUploadURLExternal(filename="a.txt", length=3)
    files = [{"id": begun["file_id"]}]
    assert await error_of(client.files_completeUploadExternal(files=files, channel_id="C1X")) == "file_not_found"
    async with aiohttp.ClientSession() as session:
        async with session.post(begun["upload_url"], data=b"toolong") as answer:
            assert answer.status == 400
    assert slack.log == []


async def test_the_home_tab_prompts_and_titles_are_seen(slack: SlackSimulator, client: AsyncWebClient) -> None:
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": "Welcome"}}]
    await client.views_publish(user_id="U0ALICE", view={"type": "home", "blocks": blocks})
    prompts = [{"title": "Prices", "message": "What does it cost?"}]
    await client.api_call("assistant.threads.setSuggestedPrompts", json={"channel_id": "D0ALICE", "prompts": prompts})
    too_many = {"channel_id": "D0ALICE", "prompts": prompts * 5}
    assert (
        await error_of(client.api_call("assistant.threads.setSuggestedPrompts", json=too_many)) == "invalid_arguments"
    )
    assert [(entry.kind, entry.channel, entry.text) for entry in slack.log] == [
        ("home", "U0ALICE", "Welcome"),
        ("prompts", "D0ALICE", "Prices"),
    ]


async def test_users_and_channels_are_described(slack: SlackSimulator, client: AsyncWebClient) -> None:
    slack.options.names["U0BOB"] = "Bob Builder"
    assert (await client.users_info(user="U0ALICE"))["user"]["real_name"] == "Alice"
    assert (await client.users_info(user="U0BOB"))["user"]["profile"]["display_name"] == "Bob Builder"
    assert (await client.users_info(user="U0BOT"))["user"]["is_bot"] is True
    assert await error_of(client.users_info(user="nobody")) == "user_not_found"
    assert (await client.conversations_info(channel="D0ALICE"))["channel"]["user"] == "U0ALICE"
    assert (await client.conversations_info(channel="C1X"))["channel"]["is_im"] is False
    assert (await client.conversations_open(users="U0BOB,U0ALICE"))["channel"]["id"] == "G0ALICE0BOB"


async def test_a_whisper_is_seen_once_and_never_found(slack: SlackSimulator, client: AsyncWebClient) -> None:
    await client.chat_postEphemeral(channel="C1X", user="U0ALICE", text="psst")
    assert [(entry.kind, entry.text) for entry in slack.log] == [("ephemeral", "psst")]
    assert (await client.conversations_history(channel="C1X"))["messages"] == []


async def test_outside_the_marketplace_history_is_read_once_a_minute(
    slack: SlackSimulator, client: AsyncWebClient
) -> None:
    for number in range(20):
        await client.chat_postMessage(channel="C1X", text=str(number))
    slack.options.non_marketplace = True
    assert len((await client.conversations_history(channel="C1X", limit=100))["messages"]) == 15
    with pytest.raises(SlackApiError) as limited:
        await client.conversations_history(channel="C1X")
    assert limited.value.response.status_code == 429
    assert 1 <= int(limited.value.response.headers["Retry-After"]) <= 60
    slack.clock.advance(61)
    await client.conversations_history(channel="C1X")


async def test_any_method_can_have_its_rate(slack: SlackSimulator, client: AsyncWebClient) -> None:
    slack.options.rates["chat.postMessage"] = 2
    await client.chat_postMessage(channel="C1X", text="1")
    await client.chat_postMessage(channel="C1X", text="2")
    assert await error_of(client.chat_postMessage(channel="C1X", text="3")) == "ratelimited"
    assert slack.api.calls["chat.postMessage", "429"] == 1

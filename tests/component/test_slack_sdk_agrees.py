"""Slack's own SDK against the simulated Slack: installing, token rotation, Socket Mode, the blocking client."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth import AuthorizeUrlGenerator
from slack_sdk.oauth.installation_store import Bot
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from simulator import App, SlackSimulator
from tests.hook import hooked, until

pytestmark = pytest.mark.asyncio
CLIENT = App(client_id="111.222", client_secret="hush", app_token="xapp-1-acme")
SECRETS = {"client_id": "111.222", "client_secret": "hush"}
BACK = "https://konstruct.example/slack/oauth/callback"


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with SlackSimulator([], clients=[CLIENT], retry_seconds=()) as simulator:
        yield simulator


async def approve(slack: SlackSimulator, **more: str) -> dict[str, str]:
    """Open the page that asks for approval, and return what comes back with the redirect."""
    page = AuthorizeUrlGenerator(
        client_id="111.222",
        scopes=["chat:write"],
        redirect_uri=BACK,
        authorization_url=f"{slack.address}/oauth/v2/authorize",
    )
    async with aiohttp.ClientSession() as session:
        async with session.get(page.generate("state-1"), params=more or None, allow_redirects=False) as answer:
            assert answer.status == 302
            assert answer.headers["Location"].startswith(BACK)
            return {name: value[0] for name, value in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


async def test_an_installation_gives_a_token_for_a_code_once(slack: SlackSimulator) -> None:
    came = await approve(slack)
    assert came["state"] == "state-1"
    client = AsyncWebClient(base_url=slack.url)
    installed = await client.oauth_v2_access(**SECRETS, code=came["code"], redirect_uri=BACK)
    assert (installed["app_id"], installed["team"]["id"], installed["enterprise"]) == ("A0ACME", "T0ACME", None)
    assert (await AsyncWebClient(installed["access_token"], base_url=slack.url).auth_test())["team_id"] == "T0ACME"
    granted = AsyncWebClient(installed["access_token"], base_url=slack.url)
    await granted.chat_postMessage(channel="D0ALICE", text="I may write")
    with pytest.raises(SlackApiError) as refused:
        await granted.users_info(user="U0ALICE")
    assert (refused.value.response["error"], refused.value.response["needed"]) == ("missing_scope", "users:read")
    with pytest.raises(SlackApiError, match="invalid_code"):
        await client.oauth_v2_access(**SECRETS, code=came["code"])
    with pytest.raises(SlackApiError, match="bad_client_secret"):
        await client.oauth_v2_access(client_id="111.222", client_secret="guess", code="x")
    await AsyncWebClient(installed["access_token"], base_url=slack.url).auth_revoke()
    with pytest.raises(SlackApiError, match="token_revoked"):
        await AsyncWebClient(installed["access_token"], base_url=slack.url).auth_test()


async def test_an_organisation_installs_without_a_team(slack: SlackSimulator) -> None:
    slack.options.org_installation = True
    code = (await approve(slack))["code"]
    installed = await AsyncWebClient(base_url=slack.url).oauth_v2_access(**SECRETS, code=code)
    assert (installed["team"], installed["is_enterprise_install"]) == (None, True)
    assert installed["enterprise"]["id"] == "E0ACME"


async def test_a_person_may_refuse_and_codes_grow_old(slack: SlackSimulator) -> None:
    code = (await approve(slack))["code"]
    slack.clock.advance(601)
    with pytest.raises(SlackApiError, match="invalid_code"):
        await AsyncWebClient(base_url=slack.url).oauth_v2_access(**SECRETS, code=code)
    slack.options.deny_installation = True
    assert await approve(slack) == {"error": "access_denied", "state": "state-1"}


async def test_rotated_tokens_expire_and_a_refresh_token_works_once(slack: SlackSimulator) -> None:
    slack.options.token_rotation = True
    client = AsyncWebClient(base_url=slack.url)
    installed = await client.oauth_v2_access(**SECRETS, code=(await approve(slack))["code"])
    assert installed["expires_in"] == 43_200
    first = AsyncWebClient(installed["access_token"], base_url=slack.url)
    assert (await first.auth_test())["ok"]
    bot = Bot(
        app_id="A0ACME",
        team_id="T0ACME",
        bot_token=installed["access_token"],
        bot_id="B0BOT",
        bot_user_id="U0BOT",
        installed_at=time.time(),
        bot_refresh_token=installed["refresh_token"],
        bot_token_expires_in=60,
    )
    rotator = AsyncTokenRotator(**SECRETS, client=client)
    rotated = await rotator.perform_bot_token_rotation(bot=bot, minutes_before_expiration=120)
    assert rotated is not None
    assert rotated.bot_token != installed["access_token"]
    assert (await AsyncWebClient(rotated.bot_token, base_url=slack.url).auth_test())["ok"]
    with pytest.raises(SlackApiError, match="invalid_refresh_token"):
        await client.oauth_v2_access(**SECRETS, grant_type="refresh_token", refresh_token=installed["refresh_token"])
    slack.clock.advance(43_201)
    with pytest.raises(SlackApiError, match="token_expired"):
        await first.auth_test()


async def test_the_socket_mode_client_gets_events_presses_and_commands() -> None:
    got: list[SocketModeRequest] = []

    async def listen(client: Any, request: SocketModeRequest) -> None:
        got.append(request)
        payload = {"text": "paused"} if request.type == "slash_commands" else None
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, payload))

    async with SlackSimulator([CLIENT], retry_seconds=()) as slack:
        web = AsyncWebClient(CLIENT.bot_token, base_url=slack.url)
        client = SocketModeClient(CLIENT.app_token, web_client=web)
        client.socket_mode_request_listeners.append(listen)
        try:
            await client.connect()
            said = await slack.say("hi")
            assert (said.status, said.reason, slack.deliveries[0].acknowledged) == (200, "", True)
            button = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "Yes"}}
            blocks = [{"type": "actions", "elements": [button]}]
            ts = (await web.chat_postMessage(channel="D0ALICE", text="?", blocks=blocks))["ts"]
            await slack.people.press(ts, "Yes")
            await slack.people.command("/konstruct", "pause")
            assert [request.type for request in got] == ["events_api", "interactive", "slash_commands"]
            assert got[0].payload["event"]["text"] == "hi"
            assert slack.log[-1].kind == "ephemeral"
            await slack.sockets.disconnect()
            await until(lambda: slack.api.calls["apps.connections.open", "ok"] == 2, seconds=10)
            await until(lambda: bool(slack.sockets.connected("A0ACME")), seconds=10)
            await slack.say("still there?")
            assert got[-1].payload["event"]["text"] == "still there?"
        finally:
            await client.close()


async def test_what_a_socket_does_not_acknowledge_comes_again() -> None:
    got: list[SocketModeRequest] = []

    async def listen(client: Any, request: SocketModeRequest) -> None:
        got.append(request)
        if len(got) > 1:
            await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    async with SlackSimulator([CLIENT], retry_seconds=(0, 0.05), webhook_deadline=0.2) as slack:
        web = AsyncWebClient(base_url=slack.url)
        client = SocketModeClient(CLIENT.app_token, web_client=web)
        client.socket_mode_request_listeners.append(listen)
        try:
            await client.connect()
            assert (await slack.say("hi")).reason == "http_timeout"
            await until(lambda: len(got) == 2)
            assert [request.retry_attempt for request in got] == [0, 1]
            assert got[0].payload["event_id"] == got[1].payload["event_id"]
            await asyncio.sleep(0.3)
            assert len(got) == 2
        finally:
            await client.close()


async def test_the_blocking_client_posts_streams_and_uploads() -> None:
    async with hooked() as hook, SlackSimulator([CLIENT], webhook=f"{hook.url}/slack/events") as slack:
        client = WebClient(CLIENT.bot_token, base_url=slack.url)

        def work() -> None:
            root = client.chat_postMessage(channel="D0ALICE", text="one")["ts"]
            streamer = client.chat_stream(channel="D0ALICE", thread_ts=str(root))
            streamer.append(markdown_text="two")
            streamer.stop()
            client.files_upload_v2(channel="D0ALICE", content="three", filename="three.txt", initial_comment="3")

        await asyncio.to_thread(work)
        shown = [entry.text for entry in slack.log if not entry.streaming]
        assert shown == ["one", "two", "3"]
        await slack.say("hi")
        _, headers, body = hook.requests[0]
        assert SignatureVerifier(CLIENT.signing_secret).is_valid_request(body, headers)

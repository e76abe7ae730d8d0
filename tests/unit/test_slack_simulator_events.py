"""The simulated Slack's events, checked by Slack's own verifier, and its control endpoints."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from simulator import App, SlackSimulator

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


class Webhook:
    """An app's webhook that keeps what it gets and answers as told."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.pause = 0.0
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.read()))
        await asyncio.sleep(self.pause)
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        return web.Response(status=status, headers=headers)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [orjson.loads(body) for _, body in self.requests]


@pytest_asyncio.fixture
async def webhook() -> AsyncIterator[Webhook]:
    app, hook = web.Application(), Webhook()
    app.router.add_post("/slack/events", hook.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    yield hook
    await runner.cleanup()


@pytest_asyncio.fixture
async def slack(webhook: Webhook) -> AsyncIterator[SlackSimulator]:
    async with SlackSimulator(
        [ACME, GLOBEX], webhook=webhook.url, retry_seconds=(0, 0.02, 0.02), webhook_deadline=0.3
    ) as simulator:
        yield simulator


@pytest.fixture
def client(slack: SlackSimulator) -> AsyncWebClient:
    return AsyncWebClient(ACME.bot_token, base_url=slack.url)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.005)


async def test_slacks_verifier_accepts_the_signature_of_the_right_app(slack: SlackSimulator, webhook: Webhook) -> None:
    said = await slack.say("hi", team="T0GLOBEX", channel="D0BOB", user="U0BOB")
    headers, body = webhook.requests[0]
    assert (said.status, said.reason) == (200, "")
    assert SignatureVerifier(GLOBEX.signing_secret).is_valid_request(body, headers)
    assert not SignatureVerifier(ACME.signing_secret).is_valid_request(body, headers)
    assert not SignatureVerifier(GLOBEX.signing_secret).is_valid_request(body + b" ", headers)


async def test_a_direct_message_arrives_as_one_message_im(slack: SlackSimulator, webhook: Webhook) -> None:
    said = await slack.say("hi")
    (callback,) = webhook.events
    assert (callback["type"], callback["team_id"], callback["api_app_id"]) == (
        "event_callback",
        "T0ACME",
        "A0ACME",
    )
    assert callback["authorizations"][0]["user_id"] == "U0BOT"
    event = callback["event"]
    assert (event["type"], event["channel_type"], event["text"]) == ("message", "im", "hi")
    assert (event["channel"], event["ts"], callback["event_id"]) == ("D0ALICE", said.ts, said.event_id)


async def test_a_mention_arrives_twice_with_one_ts_and_two_event_ids(slack: SlackSimulator, webhook: Webhook) -> None:
    root = (await slack.say("before", channel="C1X", kind="message")).ts
    await slack.say("hi", channel="C1X", thread_ts=root)
    twice = webhook.events[1:]
    assert {callback["event"]["type"] for callback in twice} == {"app_mention", "message"}
    assert {callback["event"]["text"] for callback in twice} == {"<@U0BOT> hi"}
    assert {callback["event"]["thread_ts"] for callback in twice} == {root}
    assert len({callback["event"]["ts"] for callback in twice}) == 1
    assert len({callback["event_id"] for callback in twice}) == 2


async def test_a_failed_delivery_is_repeated_and_signed_anew(slack: SlackSimulator, webhook: Webhook) -> None:
    webhook.answers = [(503, {}), (500, {})]
    said = await slack.say("hi")
    assert (said.status, said.reason) == (503, "http_error")
    await until(lambda: slack.deliveries[0].acknowledged)
    headers = [headers for headers, _ in webhook.requests]
    assert [header.get("X-Slack-Retry-Num") for header in headers] == [None, "1", "2"]
    assert headers[2]["X-Slack-Retry-Reason"] == "http_error"
    assert len({callback["event_id"] for callback in webhook.events}) == 1
    assert [attempt.status for attempt in slack.deliveries[0].attempts] == [503, 500, 200]


async def test_four_deliveries_are_all_that_slack_makes(slack: SlackSimulator, webhook: Webhook) -> None:
    webhook.answers = [(500, {})] * 9
    await slack.say("hi")
    await until(lambda: len(webhook.requests) == 4)
    await asyncio.sleep(0.1)
    assert len(webhook.requests) == 4
    assert not slack.deliveries[0].acknowledged


async def test_no_retry_stops_the_retries(slack: SlackSimulator, webhook: Webhook) -> None:
    webhook.answers = [(401, {"X-Slack-No-Retry": "1"})]
    assert (await slack.say("hi")).status == 401
    await asyncio.sleep(0.1)
    assert len(webhook.requests) == 1


async def test_a_slow_or_absent_webhook_has_slacks_reasons(slack: SlackSimulator, webhook: Webhook) -> None:
    webhook.pause = 0.5
    assert (await slack.say("hi")).reason == "http_timeout"
    slack.courier.webhook = "http://127.0.0.1:9/nobody"
    assert (await slack.say("hi")).reason == "connection_failed"


async def test_copies_of_an_event_share_its_id(slack: SlackSimulator, webhook: Webhook) -> None:
    await slack.say("hi", copies=4)
    assert len(webhook.events) == 4
    assert len({callback["event_id"] for callback in webhook.events}) == 1
    assert len(slack.messages("D0ALICE")) == 1


async def test_the_control_endpoints_do_what_the_methods_do(slack: SlackSimulator) -> None:
    control = f"{slack.address}/_simulator"
    async with aiohttp.ClientSession() as session:

        async def ask(verb: str, path: str, **arguments: Any) -> dict[str, Any]:
            async with session.request(verb, f"{control}/{path}", **arguments) as answer:
                return dict(await answer.json())

        apps = await ask("GET", "apps")
        assert [app["team"] for app in apps["apps"]] == ["T0ACME", "T0GLOBEX"]
        assert "secret" not in orjson.dumps(apps).decode()
        said = await ask("POST", "say", json={"text": "hi", "channel": "D0BOB", "user": "U0BOB"})
        assert (said["status"], said["channel"]) == (200, "D0BOB")
        log = await ask("GET", "log", params={"since": "0"})
        assert [(entry["text"], entry["user"]) for entry in log["entries"]] == [("hi", "U0BOB")]
        assert log["next"] == 1
        assert (await ask("GET", "deliveries"))["deliveries"][0]["acknowledged"]
        assert (await ask("GET", "messages", params={"channel": "D0BOB"}))["messages"][0]["text"] == "hi"
        faults = await ask("POST", "faults", json=[{"kind": "rate_limit", "channel": "C1X", "times": 3}])
        assert faults["faults"][0]["times"] == 3
        assert not (await ask("POST", "faults", json={"kind": "gremlin"}))["ok"]
        assert (await ask("DELETE", "faults"))["faults"] == []
        assert not (await ask("POST", "say", json={"team": "T0NOBODY", "text": "x"}))["ok"]
        assert (await ask("GET", "log", headers={"Origin": "http://evil.example"}))["ok"] is False
        assert (await ask("POST", "reset"))["ok"]
        assert slack.log == []


async def test_the_event_stream_shows_a_reply_as_it_grows(slack: SlackSimulator, client: AsyncWebClient) -> None:
    await client.chat_postMessage(channel="D0ALICE", text="old")
    url = f"{slack.address}/_simulator/events"
    async with aiohttp.ClientSession() as session, session.get(url, params={"channel": "D0ALICE"}) as stream:
        ts = (await client.chat_postMessage(channel="D0ALICE", text="a"))["ts"]
        await client.chat_postMessage(channel="C1X", text="elsewhere")
        await client.chat_update(channel="D0ALICE", ts=ts, text="ab")
        seen: list[str] = []
        async with asyncio.timeout(2):
            while len(seen) < 2:
                line = await stream.content.readline()
                if line.startswith(b"data: "):
                    seen.append(orjson.loads(line[6:])["text"])
    assert seen == ["a", "ab"]

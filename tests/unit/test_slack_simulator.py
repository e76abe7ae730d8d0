"""The simulated Slack, driven by Slack's own SDK: official clients must agree with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.models.metadata import Metadata
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from simulator import App, Entry, Fault, SlackSimulator

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
    return AsyncWebClient(ACME.bot_token, base_url=slack.url, timeout=1)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.005)


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
    assert (
        await error_of(client.conversations_history(channel="C1X", oldest="yesterday")) == "invalid_ts_oldest"
    )


async def test_metadata_is_returned_only_when_asked_for(client: AsyncWebClient) -> None:
    metadata = Metadata(event_type="konstruct_reply", event_payload={"reply": "r1"})
    await client.chat_postMessage(channel="C1X", text="one", metadata=metadata)
    plain = (await client.conversations_history(channel="C1X"))["messages"][0]
    full = (await client.conversations_history(channel="C1X", include_all_metadata=True))["messages"][0]
    assert "metadata" not in plain
    assert full["metadata"]["event_payload"] == {"reply": "r1"}


async def test_a_repeated_client_msg_id_shows_nothing_new(
    client: AsyncWebClient, slack: SlackSimulator
) -> None:
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


async def test_wrong_calls_get_the_errors_that_slack_gives(
    client: AsyncWebClient, slack: SlackSimulator
) -> None:
    theirs = (await slack.say("hello", channel="D0ALICE")).ts
    mine = (await client.chat_postMessage(channel="C1X", text="mine"))["ts"]
    stranger = AsyncWebClient("xoxb-wrong", base_url=slack.url)
    nobody = AsyncWebClient(base_url=slack.url)
    update, post = client.chat_update, client.chat_postMessage
    assert await error_of(stranger.auth_test()) == "invalid_auth"
    assert await error_of(nobody.auth_test()) == "not_authed"
    assert await error_of(client.api_call("chat.unheard")) == "unknown_method"
    assert await error_of(post(channel="general", text="x")) == "channel_not_found"
    assert (
        await error_of(client.api_call("chat.postMessage", json={"channel": "C1X", "text": " "})) == "no_text"
    )
    assert await error_of(post(channel="C1X", text="x", metadata={"a": 1})) == "invalid_metadata_format"
    assert await error_of(update(channel="C1X", ts="1.000000", text="x")) == "message_not_found"
    assert await error_of(update(channel="D0ALICE", ts=theirs, text="x")) == "cant_update_message"
    assert await error_of(update(channel="C1X", ts=mine, text="&" * 801)) == "msg_too_long"


async def test_form_bodies_are_read_like_json_ones(client: AsyncWebClient, slack: SlackSimulator) -> None:
    metadata = '{"event_type": "t", "event_payload": {"n": 1}}'
    await client.api_call(
        "chat.postMessage", data={"channel": "C1X", "text": "ü & more", "metadata": metadata}
    )
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


async def test_slacks_verifier_accepts_the_signature_of_the_right_app(
    slack: SlackSimulator, webhook: Webhook
) -> None:
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


async def test_a_mention_arrives_twice_with_one_ts_and_two_event_ids(
    slack: SlackSimulator, webhook: Webhook
) -> None:
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


async def test_a_rate_limit_holds_for_its_channel_and_the_sdk_obeys_it(
    client: AsyncWebClient, slack: SlackSimulator
) -> None:
    slack.faults.rules.append(Fault("rate_limit", channel="C1X", times=1, retry_after=1))
    await client.chat_postMessage(channel="C2X", text="free")
    with pytest.raises(SlackApiError) as limited:
        await client.chat_postMessage(channel="C1X", text="limited")
    assert limited.value.response.status_code == 429
    assert limited.value.response.headers["Retry-After"] == "1"
    slack.faults.rules.append(Fault("rate_limit", channel="C1X", times=1, retry_after=1))
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=1))
    began = asyncio.get_running_loop().time()
    await client.chat_postMessage(channel="C1X", text="later")
    assert asyncio.get_running_loop().time() - began >= 1
    assert slack.api.calls["chat.postMessage", "429"] == 2


@pytest.mark.parametrize(
    ("kind", "visible"),
    [
        ("hang_after_delivery", 1),
        ("close_after_delivery", 1),
        ("hang_before_delivery", 0),
        ("close_before_delivery", 0),
    ],
)
async def test_an_answer_may_be_lost_with_or_without_the_message(
    slack: SlackSimulator, kind: Any, visible: int
) -> None:
    slack.faults.rules.append(Fault(kind))
    client = AsyncWebClient(ACME.bot_token, base_url=slack.url, timeout=1, retry_handlers=[])
    with pytest.raises((TimeoutError, aiohttp.ClientError)):
        async with asyncio.timeout(0.2):
            await client.chat_postMessage(channel="C1X", text="lost?", client_msg_id="id-1")
    assert len(slack.log) == visible
    await client.chat_postMessage(channel="C1X", text="lost?", client_msg_id="id-1")
    assert len(slack.log) == 1


async def test_server_errors_refusals_and_latency_are_told_apart(
    client: AsyncWebClient, slack: SlackSimulator
) -> None:
    slack.faults.rules += [
        Fault("latency", method="*", delay_seconds=0.05, times=None),
        Fault("server_error", status=502),
        Fault("refuse", error="account_inactive"),
    ]
    began = asyncio.get_running_loop().time()
    with pytest.raises(SlackApiError) as broken:
        await client.chat_postMessage(channel="C1X", text="x")
    assert broken.value.response.status_code == 502
    assert await error_of(client.chat_postMessage(channel="C1X", text="x")) == "account_inactive"
    await client.chat_postMessage(channel="C1X", text="x")
    assert asyncio.get_running_loop().time() - began >= 0.15
    assert len(slack.log) == 1


async def test_chance_is_repeatable_with_its_seed() -> None:
    async def outcomes(seed: int) -> list[bool]:
        fault = Fault("refuse", probability=0.5, times=None)
        async with (
            SlackSimulator([ACME], faults=[fault], seed=seed) as slack,
            aiohttp.ClientSession() as session,
        ):
            headers = {"Authorization": f"Bearer {ACME.bot_token}"}
            answers = []
            for _ in range(20):
                async with session.post(
                    f"{slack.url}chat.postMessage", json={"channel": "C1X", "text": "x"}, headers=headers
                ) as answer:
                    answers.append((await answer.json())["ok"])
            return answers

    assert await outcomes(1) == await outcomes(1)
    assert 0 < sum(await outcomes(1)) < 20


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


async def test_the_event_stream_shows_a_reply_as_it_grows(
    slack: SlackSimulator, client: AsyncWebClient
) -> None:
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


async def test_a_test_can_wait_for_what_becomes_visible(
    slack: SlackSimulator, client: AsyncWebClient
) -> None:
    def is_answer(entry: Entry) -> bool:
        return entry.text == "answer"

    waiting = asyncio.create_task(slack.expect(is_answer))
    await client.chat_postMessage(channel="C1X", text="noise")
    await client.chat_postMessage(channel="C1X", text="answer")
    assert (await waiting).channel == "C1X"
    with pytest.raises(TimeoutError):
        await slack.expect(lambda entry: entry.text == "never", seconds=0.05)


async def test_stopping_does_not_wait_for_hanging_calls() -> None:
    slack = SlackSimulator([ACME], faults=[Fault("hang_after_delivery", delay_seconds=60)])
    await slack.start()
    client = AsyncWebClient(ACME.bot_token, base_url=slack.url, retry_handlers=[])
    call = asyncio.create_task(client.chat_postMessage(channel="C1X", text="x"))
    await until(lambda: len(slack.log) == 1)
    async with asyncio.timeout(2):
        await slack.stop()
    with pytest.raises(aiohttp.ClientError):
        await call


async def test_a_slack_that_was_down_comes_back_at_its_address_with_its_messages() -> None:
    slack = SlackSimulator([ACME])
    await slack.start()
    url = slack.url
    client = AsyncWebClient(ACME.bot_token, base_url=url, retry_handlers=[])
    await client.chat_postMessage(channel="C1X", text="before")
    await slack.stop()
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel="C1X", text="meanwhile")
    async with slack:
        await client.chat_postMessage(channel="C1X", text="after")
        assert (slack.url, [entry.text for entry in slack.log]) == (url, ["before", "after"])

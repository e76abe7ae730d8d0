"""The simulated Slack when things go wrong: limits, errors, lost answers, and being down."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from simulator import App, Fault, SlackSimulator
from tests.ports import held, port_of

pytestmark = pytest.mark.asyncio
ACME = App()


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with SlackSimulator([ACME], retry_seconds=()) as simulator:
        yield simulator


@pytest.fixture
def client(slack: SlackSimulator) -> AsyncWebClient:
    return AsyncWebClient(ACME.bot_token, base_url=slack.url)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.005)


async def error_of(call: Awaitable[Any]) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


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
    client = AsyncWebClient(ACME.bot_token, base_url=slack.url, retry_handlers=[])
    with pytest.raises((TimeoutError, aiohttp.ClientError)):
        async with asyncio.timeout(0.2):
            await client.chat_postMessage(channel="C1X", text="lost?", client_msg_id="id-1")
    assert len(slack.log) == visible
    await client.chat_postMessage(channel="C1X", text="lost?", client_msg_id="id-1")
    assert len(slack.log) == 1


async def test_server_errors_refusals_and_latency_are_told_apart(client: AsyncWebClient, slack: SlackSimulator) -> None:
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
    with held(port_of(slack.address)), pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel="C1X", text="meanwhile")
    async with slack:
        await client.chat_postMessage(channel="C1X", text="after")
        assert (slack.url, [entry.text for entry in slack.log]) == (url, ["before", "after"])

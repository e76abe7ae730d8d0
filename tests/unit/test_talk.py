"""The talk behind `konstruct chat`, with a scripted employee in Konstruct's place."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from deployments import simulated_slack
from deployments import talk as talking
from deployments.applied import Applied
from deployments.simulated_slack import join_or_start
from deployments.talk import Partners, Reply, Talk, TalkFailed, Unanswered
from konstruct.errors import SettingsInvalid
from konstruct.settings import Settings
from simulator import App, SlackSimulator

pytestmark = pytest.mark.asyncio
Script = Callable[[AsyncWebClient, dict[str, Any]], Coroutine[None, None, None]]


class Scene:
    """A talk with an employee that follows `script`."""

    def __init__(self, slack: SlackSimulator, talk: Talk, late: list[str]) -> None:
        self.slack, self.talk, self.late = slack, talk, late
        self.script: Script = answer_in_steps
        self.status = 200
        self.seen: list[tuple[str, str]] = []

    async def hear(self, request: web.Request) -> web.Response:
        event = (await request.json())["event"]
        if self.status == 200 and (event["type"] == "app_mention" or event.get("channel_type") == "im"):
            client = AsyncWebClient(self.slack.apps[0].bot_token, base_url=self.slack.url)
            self.running = asyncio.create_task(self.script(client, event))
        return web.Response(status=self.status)

    async def exchange(self, text: str, seconds: float = 30.0) -> Reply:
        def note(reply: Reply) -> None:
            self.seen.append((reply.status, reply.text))

        return await self.talk.exchange(text, seconds, note)


async def answer_in_steps(client: AsyncWebClient, event: dict[str, Any]) -> None:
    channel, thread = event["channel"], event.get("thread_ts")
    await client.assistant_threads_setStatus(channel_id=channel, thread_ts=event["ts"], status="is thinking…")
    ts = (await client.chat_postMessage(channel=channel, thread_ts=thread, text="You", metadata=final(False)))["ts"]
    await asyncio.sleep(0.05)
    whole = f"You said {event['text']}"
    await client.chat_update(channel=channel, ts=ts, text=whole, metadata=final(True))


def final(is_final: bool) -> dict[str, Any]:
    return {"event_type": "konstruct_reply", "event_payload": {"final": is_final}}


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    late: list[str] = []
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        slack = await stack.enter_async_context(SlackSimulator([App()]))
        talk = Talk(Partners(slack.address, "T0ACME", "Ada", "U0ALICE", "D0ALICE"), session, late.append)
        scene = Scene(slack, talk, late)
        konstruct = web.Application()
        konstruct.router.add_post("/slack/events", scene.hear)
        runner = web.AppRunner(konstruct)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        slack.courier.webhook = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
        await talk.start()
        stack.push_async_callback(talk.stop)
        yield scene


async def test_a_reply_is_seen_growing_and_ends_where_it_says_so(scene: Scene) -> None:
    reply = await scene.exchange("hello")
    assert reply.text == "You said hello"
    assert scene.seen == [
        ("", ""),
        *scene.seen[1:-2],
        ("is thinking…", "You"),
        ("is thinking…", "You said hello"),
    ]


async def test_a_reply_that_never_says_so_ends_when_it_is_quiet(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def plain(client: AsyncWebClient, event: dict[str, Any]) -> None:
        ts = (await client.chat_postMessage(channel=event["channel"], text="one"))["ts"]
        while scene.seen[-1][1] != "one":
            await asyncio.sleep(0.01)
        # What waits for a change now waits as long as it takes; only what comes after the change is quiet.
        monkeypatch.setattr(talking, "QUIET_SECONDS", 0.05)
        await client.chat_update(channel=event["channel"], ts=ts, text="one two")

    monkeypatch.setattr(talking, "QUIET_SECONDS", 3600.0)
    scene.script = plain
    assert (await scene.exchange("hello")).text == "one two"


async def test_the_talk_goes_on_in_the_thread_where_the_employee_answered(scene: Scene) -> None:
    async def threaded(client: AsyncWebClient, event: dict[str, Any]) -> None:
        thread = event.get("thread_ts") or event["ts"]
        await client.chat_postMessage(channel=event["channel"], text="here", thread_ts=thread, metadata=final(True))

    scene.script = threaded
    await scene.exchange("first")
    await scene.exchange("second")
    root = scene.slack.log[0].ts
    assert {entry.thread_ts for entry in scene.slack.log[1:]} == {root}


async def test_an_answer_after_the_deadline_is_shown_late_and_not_as_the_next_reply(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(client: AsyncWebClient, event: dict[str, Any]) -> None:
        await asyncio.sleep(0.2)
        await client.chat_postMessage(channel=event["channel"], text="sorry", metadata=final(True))

    monkeypatch.setattr(talking, "LATE_SECONDS", 0.05)
    scene.script = slow
    with pytest.raises(Unanswered, match="Ada did not answer within 0.1 s"):
        await scene.exchange("hello", 0.1)
    async with asyncio.timeout(2):
        while not scene.late:
            await asyncio.sleep(0.01)
    assert scene.late == ["sorry"]


async def test_a_refused_message_is_one_sentence_with_what_to_do(scene: Scene) -> None:
    scene.status = 401
    with pytest.raises(TalkFailed, match="refused the message with status 401"):
        await scene.exchange("hello")
    scene.slack.courier.webhook = "http://127.0.0.1:9/nobody"
    with pytest.raises(TalkFailed, match="konstruct up"):
        await scene.exchange("hello")


async def test_a_slack_that_goes_away_ends_the_wait(scene: Scene) -> None:
    async def leave(_: AsyncWebClient, __: dict[str, Any]) -> None:
        await scene.slack.stop()

    scene.script = leave
    with pytest.raises(TalkFailed, match="went away"):
        await scene.exchange("hello")


async def test_chat_joins_a_running_simulator_of_its_tenant_only(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONSTRUCT_SLACK_API_URL", scene.slack.url)
    monkeypatch.setattr(simulated_slack, "applied", harbour)
    settings = Settings.from_environment({})
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        found = await join_or_start("acme", settings, session, stack)
        assert (found.address, found.team, found.employee) == (scene.slack.address, "T0ACME", "Ada")
        with pytest.raises(TalkFailed, match="no app of tenant harbour, but of acme"):
            await join_or_start("harbour", settings, session, stack)


async def test_chat_starts_a_simulator_with_the_app_as_it_is_applied(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setenv("KONSTRUCT_SLACK_API_URL", f"http://127.0.0.1:{unused_tcp_port}/api/")
    settings = replace(Settings.from_environment({}), home=tmp_path)
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        with pytest.raises(SettingsInvalid, match="`konstruct up`"):
            await join_or_start("acme", settings, session, stack)
        monkeypatch.setattr(simulated_slack, "applied", harbour)
        found = await join_or_start("harbour", settings, session, stack)
        assert (found.team, found.employee) == ("T0HARBOUR", "Hal")
        client = AsyncWebClient("xoxb-harbour", base_url=f"{found.address}/api/")
        assert (await client.auth_test())["team_id"] == "T0HARBOUR"
        monkeypatch.setenv("KONSTRUCT_SLACK_API_URL", "https://slack.com/api/")
        with pytest.raises(TalkFailed, match="this machine only"):
            await join_or_start("harbour", settings, session, stack)


async def test_an_app_that_simulate_made_up_is_not_joined_where_the_tenant_is_known_to_have_none(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KONSTRUCT_SLACK_API_URL", scene.slack.url)
    monkeypatch.setattr(simulated_slack, "applied", in_no_channel)
    settings = Settings.from_environment({"KONSTRUCT_DATABASE_URL": "postgresql://there"})
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        with pytest.raises(TalkFailed, match="Tenant acme is not in Slack"):
            await join_or_start("acme", settings, session, stack)
        elsewhere = await join_or_start("acme", Settings.from_environment({}), session, stack)
        assert elsewhere.team == "T0ACME"


async def test_a_tenant_without_slack_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setenv("KONSTRUCT_SLACK_API_URL", f"http://127.0.0.1:{unused_tcp_port}/api/")
    monkeypatch.setattr(simulated_slack, "applied", in_no_channel)
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        with pytest.raises(TalkFailed, match=r"channels\.slack"):
            await join_or_start("harbour", Settings.from_environment({}), session, stack)


async def in_no_channel(_: str, __: Settings) -> Applied:
    return Applied()


async def harbour(tenant: str, _: Settings) -> Applied:
    return Applied(App(tenant, "Hal", "T0HARBOUR", "A0HARBOUR", "U0HAL", bot_token="xoxb-harbour"))

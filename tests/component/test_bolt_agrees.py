"""Bolt, Slack's framework for apps, against the simulated Slack: it verifies, routes and answers what people do."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from simulator import App, SlackSimulator

pytestmark = pytest.mark.asyncio
ACME = App()
YES = {"type": "button", "action_id": "yes", "value": "1", "text": {"type": "plain_text", "text": "Yes"}}
PATH = "/slack/events"


class Bolted:
    """A Bolt app that notes what it hears and answers it."""

    def __init__(self, slack: SlackSimulator) -> None:
        self.heard: list[tuple[str, Any]] = []
        client = AsyncWebClient(ACME.bot_token, base_url=slack.url, timeout=2)
        self.app = AsyncApp(
            signing_secret=ACME.signing_secret,
            client=client,
            process_before_response=True,
            raise_error_for_unhandled_request=False,
        )
        self.app.event("message")(self.message)
        self.app.event("app_mention")(self.mention)
        self.app.event("app_home_opened")(self.opened)
        self.app.event("reaction_added")(self.reaction)
        self.app.action("yes")(self.pressed)
        self.app.command("/konstruct")(self.command)

    async def message(self, event: dict[str, Any], say: Any) -> None:
        self.heard.append((event.get("subtype", "message"), event.get("text")))
        if event.get("text") == "ask me":
            blocks = [{"type": "actions", "elements": [YES]}]
            await say(text="Well?", blocks=blocks)

    async def mention(self, event: dict[str, Any]) -> None:
        self.heard.append(("mention", event["text"]))

    async def opened(self, event: dict[str, Any]) -> None:
        self.heard.append(("opened", event["tab"]))

    async def reaction(self, event: dict[str, Any]) -> None:
        self.heard.append(("reaction", event["reaction"]))

    async def pressed(self, ack: Any, action: dict[str, Any], respond: Any) -> None:
        await ack()
        self.heard.append(("pressed", action["value"]))
        await respond(text="Thank you", replace_original=True, blocks=[])

    async def command(self, ack: Any, command: dict[str, Any]) -> None:
        self.heard.append(("command", command["text"]))
        await ack("paused")


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with SlackSimulator([ACME], retry_seconds=(), mentions_twice=False) as simulator:
        yield simulator


@pytest_asyncio.fixture
async def bolted(slack: SlackSimulator) -> AsyncIterator[Bolted]:
    bolted = Bolted(slack)
    runner = web.AppRunner(bolted.app.web_app(path=PATH))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
    slack.courier.webhook = url
    slack.urls["interactivity"] = slack.urls["commands"] = url
    yield bolted
    await runner.cleanup()


async def test_bolt_hears_what_people_do(slack: SlackSimulator, bolted: Bolted) -> None:
    said = await slack.say("hi")
    assert (said.status, said.reason) == (200, "")
    await slack.say("hello", channel="C1X")
    await slack.people.edit(said.ts, "hi there")
    await slack.people.share("a.txt", "x", text="look")
    await slack.people.react(said.ts, "eyes")
    await slack.people.open_home()
    assert bolted.heard == [
        ("message", "hi"),
        ("mention", "<@U0BOT> hello"),
        ("message_changed", None),
        ("file_share", "look"),
        ("reaction", "eyes"),
        ("opened", "messages"),
    ]
    assert [delivery.acknowledged for delivery in slack.deliveries] == [True] * 6


async def test_bolt_answers_buttons_and_commands(slack: SlackSimulator, bolted: Bolted) -> None:
    await slack.say("ask me")
    asked = slack.messages("D0ALICE")[-1]
    await slack.people.press(asked.ts, "Yes")
    said = await slack.people.command("/konstruct", "pause")
    assert bolted.heard == [("message", "ask me"), ("pressed", "1"), ("command", "pause")]
    assert [message.text for message in slack.messages("D0ALICE")] == ["ask me", "Thank you"]
    assert (said.status, slack.log[-1].kind, slack.log[-1].text) == (200, "ephemeral", "paused")


async def test_bolt_passes_slacks_checks_and_refuses_a_stranger(slack: SlackSimulator, bolted: Bolted) -> None:
    assert "c-1" in (await slack.admin.verify_url(challenge="c-1")).answer
    assert (await slack.admin.check_ssl()).status == 200
    slack.installations.apps[0] = App(signing_secret="another")
    assert (await slack.say("hi")).status == 401
    assert bolted.heard == []

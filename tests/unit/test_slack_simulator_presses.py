"""Buttons and commands in the simulated Slack, as an app's webhook sees them."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from simulator import App, SlackSimulator
from tests.hook import Hook, hooked

pytestmark = pytest.mark.asyncio
ACME = App()
BUTTONS: list[dict[str, Any]] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "Which one?"}},
    {
        "type": "actions",
        "block_id": "choices",
        "elements": [
            {
                "type": "button",
                "action_id": f"choice_{n}",
                "value": str(n),
                "text": {"type": "plain_text", "text": label},
            }
            for n, label in enumerate(["First", "Second"])
        ],
    },
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
    },
]


@pytest_asyncio.fixture
async def hook() -> AsyncIterator[Hook]:
    async with hooked() as hook:
        yield hook


@pytest_asyncio.fixture
async def slack(hook: Hook) -> AsyncIterator[SlackSimulator]:
    async with SlackSimulator([ACME], webhook=f"{hook.url}/slack/events", retry_seconds=()) as simulator:
        yield simulator


@pytest.fixture
def client(slack: SlackSimulator) -> AsyncWebClient:
    return AsyncWebClient(ACME.bot_token, base_url=slack.url)


async def test_a_pressed_button_arrives_as_a_signed_form(
    slack: SlackSimulator, hook: Hook, client: AsyncWebClient
) -> None:
    ts = (await client.chat_postMessage(channel="D0ALICE", text="Which one?", blocks=BUTTONS))["ts"]
    assert (await slack.people.press(ts, "Second")).status == 200
    path, headers, body = hook.requests[0]
    assert path == "/slack/interactivity"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert SignatureVerifier(ACME.signing_secret).is_valid_request(body, headers)
    payload = orjson.loads(hook.forms[0]["payload"])
    assert (payload["type"], payload["user"]["id"], payload["container"]["message_ts"]) == (
        "block_actions",
        "U0ALICE",
        ts,
    )
    (action,) = payload["actions"]
    assert (action["action_id"], action["block_id"], action["value"]) == ("choice_1", "choices", "1")
    await slack.people.press(ts, "Bad")
    (action,) = orjson.loads(hook.forms[1]["payload"])["actions"]
    assert (action["type"], action["action_id"], action["value"]) == ("feedback_buttons", "feedback", "bad")
    with pytest.raises(LookupError, match="nothing to press"):
        await slack.people.press(ts, "Third")


async def test_what_was_pressed_can_be_answered_at_its_response_url(
    slack: SlackSimulator, hook: Hook, client: AsyncWebClient
) -> None:
    ts = (await client.chat_postMessage(channel="D0ALICE", text="?", blocks=BUTTONS))["ts"]
    await slack.people.press(ts, "First")
    url = orjson.loads(hook.forms[0]["payload"])["response_url"]
    async with aiohttp.ClientSession() as session:
        for number in range(6):
            answer = {"text": f"{number}", "replace_original": True, "blocks": []}
            async with session.post(url, json=answer) as response:
                assert response.status == (200 if number < 5 else 404)
    assert [message.text for message in slack.messages("D0ALICE")] == ["4"]


async def test_a_commands_answer_is_seen_by_the_one_who_typed_it(slack: SlackSimulator, hook: Hook) -> None:
    hook.text = '{"text": "paused"}'
    said = await slack.people.command("/konstruct", "pause", channel="C1X")
    assert (said.status, hook.requests[0][0]) == (200, "/slack/commands")
    form = hook.forms[0]
    assert (form["command"], form["text"], form["user_id"], form["team_id"]) == (
        "/konstruct",
        "pause",
        "U0ALICE",
        "T0ACME",
    )
    assert [(entry.kind, entry.text) for entry in slack.log] == [("ephemeral", "paused")]
    assert slack.messages("C1X") == []


async def test_a_button_in_the_home_tab_names_its_view(
    slack: SlackSimulator, hook: Hook, client: AsyncWebClient
) -> None:
    await client.views_publish(user_id="U0ALICE", view={"type": "home", "blocks": BUTTONS})
    await slack.people.press_home("First")
    payload = orjson.loads(hook.forms[0]["payload"])
    assert (payload["container"], payload["view"]["type"]) == ({"type": "view", "view_id": "V0ALICE"}, "home")
    assert payload["actions"][0]["value"] == "0"
    assert "channel" not in payload
    with pytest.raises(LookupError):
        await slack.people.press_home("First", user="U0BOB")

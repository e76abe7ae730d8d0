"""What an app of the simulated Slack may do with the scopes that it was granted."""

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from simulator import App, SlackSimulator

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("scope", "method", "arguments"),
    [
        ("chat:write", "chat.postMessage", {"channel": "C1X", "text": "x"}),
        ("chat:write", "chat.startStream", {"channel": "D1X", "thread_ts": "1.2"}),
        ("im:history", "conversations.history", {"channel": "D1X"}),
        ("channels:history", "conversations.history", {"channel": "C1X"}),
        ("mpim:history", "conversations.history", {"channel": "G1X"}),
        ("im:write", "conversations.open", {"users": "U0ALICE"}),
        ("mpim:write", "conversations.open", {"users": "U0ALICE,U0BOB"}),
        ("users:read", "users.info", {"user": "U0ALICE"}),
        ("files:write", "files.getUploadURLExternal", {"filename": "a", "length": 1}),
    ],
)
async def test_a_method_needs_its_scope(scope: str, method: str, arguments: dict[str, Any]) -> None:
    for scopes, may in (((scope,), True), (("commands",), False), ((), True)):
        app = App(scopes=scopes)
        async with SlackSimulator([app]) as slack:
            client = AsyncWebClient(app.bot_token, base_url=slack.url)
            if may:
                assert (await client.api_call(method, json=arguments))["ok"]
            else:
                with pytest.raises(SlackApiError) as refused:
                    await client.api_call(method, json=arguments)
                assert refused.value.response["error"] == "missing_scope"
                assert refused.value.response["needed"] == scope
                assert refused.value.response["provided"] == "commands"

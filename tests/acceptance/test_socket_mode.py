"""A tenant behind a wall: Slack cannot reach the installation, so the installation reaches Slack."""

import asyncio

from simulator import App, SlackSimulator
from tests.acceptance.conftest import Installation
from tests.stub_model import StubModel

INITECH = App(
    tenant="initech", name="Peter", team="T0INITECH", app="A0INITECH", bot_user="U0PETER", bot="B0PETER",
    bot_token="xoxb-initech", signing_secret="initech-signing", app_token="xapp-1-A0INITECH-1-x",
)  # fmt: skip
TENANT = """
tenant: initech
employee: {{name: Peter, instructions: You repeat what you hear., model: stub}}
models:
  - {{name: stub, litellm: openai/stub, api_base: "{url}", api_key: "${{STUB_KEY}}"}}
channels:
  slack: {{team_id: T0INITECH, app_id: A0INITECH, bot_user_id: U0PETER, bot_token: xoxb-initech,
           signing_secret: initech-signing, app_token: xapp-1-A0INITECH-1-x}}
"""


async def test_a_tenant_in_socket_mode_is_answered_without_any_webhook(
    installation: Installation, model: StubModel
) -> None:
    tenant = installation.home / "initech.yaml"
    tenant.write_text(TENANT.format(url=model.url))
    async with SlackSimulator([INITECH], port=installation.slack_port) as slack:
        await asyncio.to_thread(installation.konstruct, "apply", "-f", str(tenant))
        async with asyncio.timeout(60):
            while not slack.sockets.connected(INITECH.app):
                await asyncio.sleep(0.1)
        assert (await slack.say("hello")).status == 200
        answer = await slack.expect(lambda entry: entry.kind == "message" and bool(entry.by_app), seconds=60)
        assert answer.text == "You said: hello"
        # Who asks no more is disconnected; and the tests that follow find no tenant whom nobody answers.
        tenant.write_text(TENANT.format(url=model.url).replace(", app_token: xapp-1-A0INITECH-1-x", ""))
        await asyncio.to_thread(installation.konstruct, "apply", "-f", str(tenant))
        async with asyncio.timeout(60):
            while slack.sockets.connected(INITECH.app):
                await asyncio.sleep(0.1)

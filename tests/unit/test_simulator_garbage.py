"""The simulators under garbage: every call gets an answer in the vendor's own words, none breaks the server."""

import random
from typing import Any

import aiohttp
import pytest

from simulator import App, Number, SlackSimulator, WhatsAppSimulator
from simulator.slack.methods import METHODS
from simulator.whatsapp.people.acting import ANNA

pytestmark = pytest.mark.asyncio
CALLS = 500
NAMES = [
    "channel",
    "text",
    "blocks",
    "type",
    "elements",
    "ts",
    "thread_ts",
    "markdown_text",
    "chunks",
    "users",
    "user",
    "name",
    "timestamp",
    "files",
    "id",
    "view",
    "prompts",
    "title",
    "message",
    "metadata",
    "event_payload",
    "interactive",
    "action",
    "buttons",
    "reply",
    "body",
    "header",
    "image",
    "link",
    "caption",
    "template",
    "language",
    "code",
    "components",
    "parameters",
    "reaction",
    "message_id",
    "emoji",
    "status",
    "context",
    "sections",
    "rows",
    "document",
]
PLAIN = (None, 0, 1.5, "", "x", True, "D0ALICE", [], {})


def garbage(chance: random.Random, depth: int = 0) -> Any:
    if depth > 2 or chance.random() < 0.5:
        return chance.choice(PLAIN)
    if chance.random() < 0.3:
        return [garbage(chance, depth + 1)]
    return {name: garbage(chance, depth + 1) for name in chance.sample(NAMES, 4)}


async def test_slack_answers_any_arguments_with_ok_or_an_errors_name() -> None:
    chance = random.Random(1)
    async with SlackSimulator([App()]) as slack, aiohttp.ClientSession() as session:
        ts = (await slack.say("hi")).ts
        for _ in range(CALLS):
            method = chance.choice([name for name in METHODS if name != "auth.revoke"])
            arguments = {name: garbage(chance) for name in chance.sample(NAMES, 5)}
            arguments |= {"channel": "D0ALICE", "channel_id": "D0ALICE"} if chance.random() < 0.8 else {}
            arguments |= {"ts": ts, "thread_ts": ts, "timestamp": ts} if chance.random() < 0.5 else {}
            headers = {"Authorization": f"Bearer {App().bot_token}"}
            async with session.post(slack.url + method, json=arguments, headers=headers) as answer:
                said = await answer.json()
                assert (answer.status, said["ok"] or bool(said["error"])) == (200, True), (method, arguments)


async def test_whatsapp_answers_any_body_with_an_id_or_a_code() -> None:
    chance = random.Random(2)
    kinds = ("text", "image", "interactive", "template", "reaction", "location", "contacts", "document")
    async with WhatsAppSimulator([Number()], statuses=[]) as whatsapp, aiohttp.ClientSession() as session:
        await whatsapp.say("hi")
        for _ in range(CALLS):
            kind = chance.choice(kinds)
            body = {name: garbage(chance) for name in chance.sample(NAMES, 4)} | {"type": kind}
            body[kind] = {name: garbage(chance, 1) for name in chance.sample(NAMES, 6)}
            body |= {"messaging_product": "whatsapp", "to": ANNA if chance.random() < 0.9 else garbage(chance)}
            url = f"{whatsapp.url}{Number().phone_number_id}/messages"
            headers = {"Authorization": f"Bearer {Number().access_token}"}
            async with session.post(url, json=body, headers=headers) as answer:
                said = await answer.json()
                assert said.get("messages") or said.get("success") or said["error"]["code"] > 0, body
                assert answer.status in (200, 400, 404), body

"""The web chat and people's files with everything real: Serve, HAProxy, hosts as Ray actors."""

import asyncio
import json
import time
from base64 import b64encode
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from simulator import SlackSimulator
from tests.acceptance.conftest import GLOBEX, Installation
from tests.component import files
from tests.stub_model import Fault, StubModel

TENANT = """
tenant: initech
employee: {{name: Cy, instructions: You help., model: stub}}
models:
  - {{name: stub, litellm: openai/stub, api_base: "{url}", api_key: k}}
channels:
  web: {{site: initech, secret: secret-of-initech}}
"""


@pytest.fixture
async def link(installation: Installation, model: StubModel) -> tuple[str, dict[str, str]]:
    """Where the chat is, and what opens it."""
    file = installation.home / "initech.yaml"
    file.write_text(TENANT.format(url=model.url))
    await asyncio.to_thread(installation.konstruct, "apply", "-f", str(file))
    printed = (await asyncio.to_thread(installation.konstruct, "web-token", "initech")).stdout.strip()
    address, _, token = printed.partition("#token=")
    return address, {"Authorization": f"Bearer {token}"}


async def test_an_answer_grows_on_the_page_as_it_is_written(link: tuple[str, dict[str, str]], model: StubModel) -> None:
    address, headers = link
    model._faults.append(Fault("", seconds=0.25))
    model.reply = lambda _: " ".join(f"word{n}" for n in range(20))
    seen: list[tuple[float, dict[str, Any]]] = []
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(address) as page:
            assert "<h1>Cy</h1>" in await page.text()
        async with session.get(f"{address}/events") as events:
            assert events.status == 200
            first = await asyncio.wait_for(events.content.readline(), 5)
            assert first.startswith(b"retry")
            body = {"id": str(uuid4()), "text": "go on"}
            async with session.post(f"{address}/messages", json=body) as answer:
                assert answer.status == 200, await answer.text()
            async with asyncio.timeout(60):
                async for line in events.content:
                    if line.startswith(b"data: "):
                        seen.append((time.monotonic(), json.loads(line[6:])))
                        if seen[-1][1]["role"] == "employee" and seen[-1][1]["final"]:
                            break
    growing = [at for at, event in seen if event["role"] == "employee"]
    assert len(growing) >= 3
    assert growing[-1] - growing[0] > 1.5, "the stream was held back somewhere"
    assert seen[-1][1]["text"].endswith("word19")


async def test_a_document_is_read_by_a_host_that_is_a_ray_actor(slack: SlackSimulator, model: StubModel) -> None:
    content = b64encode(files.docx("Total: 40 euros")).decode()
    await slack.people.share("offer.docx", content_base64=content, mimetype="application/msword", team=GLOBEX.team)
    answer = await slack.expect(lambda entry: entry.kind == "message" and bool(entry.by_app), seconds=60)
    assert "Total: 40 euros" in answer.text

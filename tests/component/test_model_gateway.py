"""Before its first engine the gateway holds a request for a while, and then says that the model is starting."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deployments import model_gateway
from deployments.model_gateway import ModelGateway
from konstruct.models.local import STARTING

BODY = {"model": "smollm2", "messages": [{"role": "user", "content": "Hello?"}]}


async def asked(gateway: ModelGateway) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway.routes()), base_url="http://gateway") as client:
        return await client.post("/v1/chat/completions", json=BODY, headers={"Authorization": "Bearer t"})


async def test_without_an_engine_it_says_that_the_model_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_gateway, "START_SECONDS", 0.05)
    hung_up = asyncio.Event()

    async def never(_: dict[str, Any]) -> AsyncIterator[dict[str, Any] | str]:
        try:
            await asyncio.sleep(60)
        finally:
            hung_up.set()
        yield ""

    answer = await asked(ModelGateway("smollm2", "t", never, lambda: False))
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, STARTING)
    assert hung_up.is_set()


async def test_an_engine_that_was_up_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_gateway, "START_SECONDS", 0.05)

    async def slow(_: dict[str, Any]) -> AsyncIterator[dict[str, Any] | str]:
        await asyncio.sleep(0.2)
        yield {"status": 200, "message": ""}
        yield "{}"

    assert (await asked(ModelGateway("smollm2", "t", slow, lambda: True))).status_code == 200

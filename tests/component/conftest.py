"""Models of both kinds, before a stub that speaks the real protocol."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from konstruct.models import Model
from konstruct.models.hosted import HostedModel
from konstruct.models.local import LocalModel
from tests.stub_model import StubModel


@pytest_asyncio.fixture
async def stub() -> AsyncIterator[StubModel]:
    async with StubModel() as server:
        yield server


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture(params=["local", "hosted"])
def model(request: pytest.FixtureRequest, stub: StubModel, session: aiohttp.ClientSession) -> Model:
    if request.param == "local":
        return LocalModel("local/smollm2", stub.url, "secret", session, cache_salt="s")
    return HostedModel("gpt", "openai/stub", stub.url, "sk-secret")

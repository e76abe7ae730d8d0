"""vLLM keeps the beginnings of prompts; what one tenant asked must not make another's answer faster."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
from cryptography.fernet import Fernet

from actors.wiring import _opener
from deployments.model_gateway import ModelGateway
from konstruct.identity import tenant_id
from konstruct.models import Model
from konstruct.vault import cache_salt
from tests.rig import settings_for
from tests.stub_model import StubModel

ACME, GLOBEX = tenant_id("acme"), tenant_id("globex")
PROMPT = [{"role": "user", "content": "Where is my order?"}]


async def ask(model: Model) -> None:
    async for _ in model.stream(PROMPT, deadline=5):
        pass


async def test_every_request_names_a_salt_of_its_tenant_and_no_two_tenants_share_one(tmp_path: Path) -> None:
    async with StubModel() as stub, aiohttp.ClientSession() as session:
        open_model = _opener(settings_for("postgresql://none", tmp_path, local_model_url=stub.url), session)
        for tenant in (ACME, GLOBEX, ACME):
            await ask(open_model(tenant, "local/x", None))
        first, second, third = (request["cache_salt"] for request in stub.requests)
        assert first == third != second
        assert len(first) == 64


def test_a_salt_cannot_be_told_without_the_master_key() -> None:
    mine, theirs = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    assert cache_salt((mine,), ACME) == cache_salt((mine, theirs), ACME)
    assert cache_salt((mine,), ACME) != cache_salt((theirs,), ACME)


async def test_the_gateway_passes_the_salt_on_and_gives_one_to_whoever_names_none() -> None:
    seen: list[dict[str, Any]] = []

    async def complete(body: dict[str, Any]) -> AsyncIterator[dict[str, Any] | str]:
        seen.append(body)
        yield {"status": 200, "message": ""}
        yield "{}"

    app = ModelGateway("smollm2", "t", complete).routes()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        for extra in ({"cache_salt": "mine"}, {}, {}):
            body = {"model": "smollm2", "messages": PROMPT} | extra
            answer = await client.post("/v1/chat/completions", json=body, headers={"Authorization": "Bearer t"})
            assert answer.status_code == 200
    named, *unnamed = (body["cache_salt"] for body in seen)
    assert named == "mine"
    assert len(set(unnamed)) == 2


def test_vllm_takes_the_salt_and_keeps_equal_prompts_of_two_tenants_apart() -> None:
    from ray.llm._internal.serve.core.configs.openai_api_models import ChatCompletionRequest
    from vllm.v1.core.kv_cache_utils import generate_block_hash_extra_keys

    def keys(salt: str) -> object:
        asked: Any = ChatCompletionRequest(model="smollm2", messages=PROMPT, cache_salt=salt)
        request: Any = SimpleNamespace(
            cache_salt=asked.cache_salt, mm_features=[], lora_request=None, prompt_embeds=None,
            prompt_embeds_per_block_hashes=None,
        )  # fmt: skip
        return generate_block_hash_extra_keys(request, 0, 16, 0)[0]

    assert keys("a") == keys("a") != keys("b")

"""Refusals as providers word them, through LiteLLM: who has to act, and what of it the log may hold."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from konstruct.errors import ModelMisconfigured, ModelRefused, ModelUnavailable
from konstruct.models import policy
from konstruct.models.hosted import HostedModel
from konstruct.models.policy import answer

PROMPT = [{"role": "user", "content": "hello there"}]
SAID = "what a contact wrote"
QUOTA = "You exceeded your current quota, please check your plan and billing details."
UNPAID = {"message": QUOTA, "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}
SUSPENDED = {"message": "Your account is suspended.", "type": "exceeded_current_quota_error"}
CREDIT = {"message": "Your credit balance is too low to access the Anthropic API.", "type": "invalid_request_error"}
FLAGGED = {
    "code": 403,
    "message": 'x requires moderation on OpenInference. Your input was flagged for "violence".',
    "metadata": {"reasons": ["violence"], "flagged_input": f"{SAID}, and insufficient_quota", "provider_name": "x"},
}
UNSAFE = {"message": "Our safety system.", "type": "invalid_request_error", "code": "content_policy_violation"}
AGAINST_RULES = "Content violates usage guidelines. Team: x, Model: grok-4, Failed check: SAFETY_CHECK_TYPE_BIO"


class Provider:
    """Refuses every request in the same way."""

    def __init__(self) -> None:
        self.status, self.body, self.calls, self.url = 0, dict[str, Any](), 0, ""

    async def refuse(self, _: web.Request) -> web.Response:
        self.calls += 1
        return web.json_response(self.body, status=self.status)


@pytest_asyncio.fixture
async def provider(own_port: int) -> AsyncIterator[Provider]:
    refusing = Provider()
    app = web.Application()
    app.router.add_post("/{path:.*}", refusing.refuse)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", own_port).start()
    refusing.url = f"http://127.0.0.1:{own_port}/v1"
    yield refusing
    await runner.cleanup()


async def refusal(provider: Provider, litellm: str, status: int, body: dict[str, Any]) -> Exception:
    provider.status, provider.body = status, body
    with pytest.raises((ModelRefused, ModelUnavailable)) as failure:
        await answer([HostedModel("gpt", litellm, provider.url, "sk-x")], PROMPT, deadline=20, on_delta=unheard)
    return failure.value


async def unheard(text: str) -> None:
    """Nobody watches the answer grow."""


@pytest.mark.parametrize(
    ("litellm", "status", "error"),
    [
        ("openai/gpt-5-mini", 429, UNPAID),
        ("azure/gpt-5-mini", 429, UNPAID),
        ("deepseek/deepseek-chat", 429, UNPAID),
        ("openai/kimi-k2", 429, SUSPENDED),
        ("anthropic/claude-sonnet-4-5", 400, CREDIT),
    ],
)
async def test_that_nobody_pays_is_for_operators_to_mend_and_is_asked_once(
    litellm: str, status: int, error: dict[str, Any], provider: Provider
) -> None:
    failure = await refusal(provider, litellm, status, {"error": error})
    assert isinstance(failure, ModelMisconfigured)
    assert str(error["message"]) in str(failure)
    assert provider.calls == 1


@pytest.mark.parametrize(
    ("litellm", "status", "body"),
    [
        ("openrouter/meta/llama", 403, {"error": FLAGGED}),
        ("openai/llama", 403, {"error": FLAGGED}),
        ("openai/gpt-5-mini", 403, {"error": UNSAFE}),
        ("openai/gpt-5-mini", 400, {"error": UNSAFE}),
        ("xai/grok-4", 403, {"code": "The caller does not have permission", "error": AGAINST_RULES}),
    ],
)
async def test_what_moderation_refuses_is_nobodys_to_mend_and_is_not_quoted(
    litellm: str, status: int, body: dict[str, Any], provider: Provider
) -> None:
    failure = await refusal(provider, litellm, status, body)
    assert type(failure) is ModelRefused
    assert SAID not in str(failure)
    assert provider.calls == 1


async def test_a_key_without_rights_is_still_for_operators_to_mend(provider: Provider) -> None:
    denied = {"error": {"message": "Your project has been denied access.", "code": 403}}
    assert isinstance(await refusal(provider, "openai/gpt-5-mini", 403, denied), ModelMisconfigured)


async def test_a_rate_limit_in_the_same_words_passes(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "BACKOFF_SECONDS", 0.01)
    passing = {"error": {"message": QUOTA, "code": 429, "status": "RESOURCE_EXHAUSTED"}}
    assert isinstance(await refusal(provider, "openai/gemini", 429, passing), ModelUnavailable)
    assert provider.calls == policy.ATTEMPTS

"""Prompts that a model refuses as too long, as vLLM does: it is asked again with less, which is no failure."""

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from konstruct.errors import ModelMisconfigured, ModelRefused, PromptTooLong
from konstruct.models import Call, Model, Usage
from konstruct.models.hosted import HostedModel
from konstruct.models.policy import answer
from konstruct.models.verdict import verdict
from tests.stub_model import StubModel

SYSTEM = {"role": "system", "content": "You are Ada, and an AI."}
TALK = [
    {"role": role, "content": f"{number}: " + "длинная история " * 60}
    for number in range(6)
    for role in ("user", "assistant")
]
NEWEST = {"role": "user", "content": "что дальше?"}
PROMPT = [SYSTEM, *TALK, NEWEST]


@pytest_asyncio.fixture
async def model(model: Model) -> Model:
    """As elsewhere, asked once: what LiteLLM loads with its first call it must not load while a test counts."""
    await answer([model], [SYSTEM, NEWEST], deadline=60, on_delta=unheard)
    return model


@pytest_asyncio.fixture
async def other() -> AsyncIterator[StubModel]:
    async with StubModel(reply=lambda _: "from the fallback") as server:
        yield server


async def unheard(text: str) -> None:
    """Nobody watches the answer grow."""


async def test_what_was_said_first_is_left_out_until_the_prompt_fits(model: Model, stub: StubModel) -> None:
    stub.most_chars, made = 6_000, list[Call]()
    begun = time.monotonic()
    given = await answer([model], PROMPT, deadline=20, on_delta=unheard, attempts=1, made=made)
    assert given.text == "You said: что дальше?"
    first, *between, last = stub.requests[-1]["messages"]
    assert (first, last) == (SYSTEM, NEWEST)
    assert between == TALK[-len(between) :] != []
    assert time.monotonic() - begun < 2  # nobody waited: the provider is well
    assert {call.usage for call in made[:-1]} == {Usage(0, 0)}
    assert made[-1].usage.prompt_tokens > 0


async def test_one_message_that_is_too_long_is_cut_in_its_middle(model: Model, stub: StubModel) -> None:
    stub.most_chars = 1_000
    huge = {"role": "user", "content": "Вот: " + "слово " * 6_000 + "что это?"}
    given = await answer([model], [SYSTEM, huge], deadline=20, on_delta=unheard, attempts=1)
    assert given.text.startswith("You said: Вот: ") and given.text.endswith("что это?")


async def test_where_something_else_is_too_long_the_fallback_is_given_all(
    model: Model, stub: StubModel, other: StubModel
) -> None:
    stub.most_chars = 10
    fallback = HostedModel("spare", "openai/stub", other.url, "sk-spare")
    calls = stub.calls
    given = await answer([model, fallback], PROMPT, deadline=20, on_delta=unheard)
    assert (given.text, given.model_name) == ("from the fallback", "spare")
    assert other.requests[0]["messages"] == PROMPT
    assert stub.calls - calls < 10


async def test_without_a_fallback_that_is_a_refusal(model: Model, stub: StubModel) -> None:
    stub.most_chars = 10
    with pytest.raises(PromptTooLong):
        await answer([model], PROMPT, deadline=20, on_delta=unheard)


@pytest.mark.parametrize(
    "reason",
    [
        "litellm.ContextWindowExceededError: litellm.BadRequestError: it is too much",
        "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
        "prompt is too long: 213412 tokens > 200000 maximum",
        "x" * 500 + " code: context_length_exceeded",
    ],
)
def test_models_say_it_in_many_ways(reason: str) -> None:
    assert isinstance(verdict("gpt", 400, reason), PromptTooLong)
    assert type(verdict("gpt", 400, "your prompt was flagged")) is ModelRefused


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "invalid key"), (402, "no balance"), (403, "no"), (404, "no"), (400, "LLM Provider NOT provided.")],
)
def test_what_is_wrong_whatever_the_prompt_is_a_matter_of_configuration(status: int, reason: str) -> None:
    assert type(verdict("gpt", status, reason)) is ModelMisconfigured

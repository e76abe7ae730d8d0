"""What calls of models count: what the provider says where that can be, else an estimate; nothing where it refused."""

import aiohttp
import pytest
import pytest_asyncio

from konstruct.errors import ModelRefused, ModelUnavailable
from konstruct.models import MOST_TOKENS, Call, Model, Usage, policy
from konstruct.models.hosted import HostedModel
from konstruct.models.local import LocalModel
from konstruct.models.policy import answer
from tests.stub_model import StubModel

PROMPT = [{"role": "system", "content": "You are Ada."}, {"role": "user", "content": "hello there"}]
REFUSALS = ["401", "400", "404", "429", "500", "503"]


@pytest_asyncio.fixture
async def model(model: Model) -> Model:
    """As elsewhere, asked once: what LiteLLM loads with its first call it must not load while a deadline runs."""
    await answer([model], PROMPT, deadline=60, on_delta=unheard)
    return model


async def unheard(text: str) -> None:
    """Nobody watches the answer grow."""


@pytest.mark.parametrize(
    "counts",
    [
        {"prompt_tokens": -5000, "completion_tokens": 3},
        {"prompt_tokens": 5, "completion_tokens": -1},
        {"prompt_tokens": 5, "completion_tokens": MOST_TOKENS + 1},
        {"prompt_tokens": 0, "completion_tokens": 0},
    ],
)
async def test_counts_that_cannot_be_are_as_good_as_none(model: Model, stub: StubModel, counts: dict[str, int]) -> None:
    stub.counts = counts
    given = await answer([model], PROMPT, deadline=20, on_delta=unheard)
    assert given.usage == Usage.estimate(PROMPT, given.text)


@pytest.mark.parametrize("count", [None, True, "5", 5.5, -1, MOST_TOKENS + 1, [], {}])
def test_only_whole_numbers_count(count: object) -> None:
    assert Usage.counted(count, 1) is None
    assert Usage.counted(1, count) is None
    assert Usage.counted(7, 1, count) == Usage(7, 1)
    assert Usage.counted(7, 0, 9) == Usage(7, 0, cached_tokens=7)


async def made(models: list[Model], deadline: float) -> list[Call]:
    calls: list[Call] = []
    with pytest.raises((ModelUnavailable, ModelRefused)):
        await answer(models, PROMPT, deadline=deadline, on_delta=unheard, attempts=1, made=calls)
    return calls


@pytest.mark.parametrize("kind", ["hang", "delay", "hang_up", "html"])
async def test_a_call_that_was_taken_in_counts_its_prompt_though_nothing_came_of_it(
    kind: str, model: Model, stub: StubModel
) -> None:
    stub.fault(kind, seconds=3)
    [call] = await made([model], 1)
    assert call.usage == Usage.estimate(PROMPT, "")


async def test_a_model_that_is_silent_for_too_long_is_paid_for_what_it_was_asked(
    model: Model, stub: StubModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "SILENCE_SECONDS", 0.5)
    stub.fault("delay", seconds=3)
    [call] = await made([model], 5)
    assert call.usage == Usage.estimate(PROMPT, "")


@pytest.mark.parametrize("kind", REFUSALS)
async def test_a_call_that_was_refused_counts_nothing(kind: str, model: Model, stub: StubModel) -> None:
    stub.fault(kind)
    assert [call.usage for call in await made([model], 5)] == [Usage(0, 0)]


async def test_a_call_that_reached_nobody_counts_nothing(session: aiohttp.ClientSession, own_port: int) -> None:
    url = f"http://127.0.0.1:{own_port}/v1"
    for model in (LocalModel("local/x", url, "t", session, cache_salt="s"), HostedModel("x", "openai/x", url, "k")):
        assert [call.usage for call in await made([model], 5)] == [Usage(0, 0)]

"""Models against a real server on loopback that fails in every way we know."""

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from konstruct.errors import ModelRefused, ModelUnavailable
from konstruct.models import Call, Model, Usage, policy
from konstruct.models.hosted import HostedModel
from konstruct.models.local import LocalModel
from konstruct.models.policy import MAX_ANSWER_CHARS, answer
from tests.stub_model import StubModel

PROMPT = [{"role": "system", "content": "You are Ada."}, {"role": "user", "content": "hello there"}]
TRANSIENT = ["429", "500", "503", "empty", "blank", "html", "truncated", "cut", "error_event", "hang_up"]
PERMANENT = ["401", "400", "404"]


@pytest_asyncio.fixture
async def other() -> AsyncIterator[StubModel]:
    async with StubModel(reply=lambda _: "from the fallback") as server:
        yield server


async def unheard(text: str) -> None:
    """Nobody watches the answer grow."""


async def stream(model: Model, deadline: float = 5) -> str:
    return "".join([delta.text async for delta in model.stream(PROMPT, deadline=deadline)])


async def test_an_answer_arrives_piece_by_piece_and_ends_with_its_usage(model: Model, stub: StubModel) -> None:
    stub.fault("drip", seconds=0.01)
    deltas = [delta async for delta in model.stream(PROMPT, deadline=30)]
    assert "".join(delta.text for delta in deltas) == "You said: hello there"
    assert len([delta for delta in deltas if delta.text]) >= 5
    usage = next(delta.usage for delta in reversed(deltas) if delta.usage)
    assert usage.completion_tokens == len("You said: hello there")
    assert stub.requests[0]["messages"] == PROMPT


async def test_the_key_travels_as_a_bearer_token(model: Model, stub: StubModel) -> None:
    await stream(model)
    assert stub.headers[0]["Authorization"] in {"Bearer secret", "Bearer sk-secret"}


@pytest.mark.parametrize("kind", TRANSIENT)
async def test_what_may_pass_is_tried_again(kind: str, model: Model, stub: StubModel) -> None:
    stub.fault(kind)
    given = await answer([model], PROMPT, deadline=20, on_delta=unheard)
    assert (given.text, given.calls, stub.calls, given.cut) == ("You said: hello there", 2, 2, False)


@pytest.mark.parametrize("kind", PERMANENT)
async def test_what_will_not_pass_is_asked_once(kind: str, model: Model, stub: StubModel) -> None:
    stub.fault(kind, times=5)
    with pytest.raises(ModelRefused):
        await answer([model], PROMPT, deadline=20, on_delta=unheard)
    assert stub.calls == 1


@pytest.mark.parametrize("kind", ["hang", "delay", "drip"])
async def test_a_deadline_ends_even_a_model_that_hangs(kind: str, model: Model, stub: StubModel) -> None:
    stub.fault(kind, seconds=2)
    begun = time.monotonic()
    with pytest.raises(ModelUnavailable):
        await stream(model, deadline=0.5)
    assert time.monotonic() - begun < 1.5


async def test_a_model_that_hangs_leaves_time_for_the_fallback(model: Model, stub: StubModel, other: StubModel) -> None:
    stub.fault("hang", times=9)
    fallback = HostedModel("spare", "openai/stub", other.url, "sk-spare")
    given = await answer([model, fallback], PROMPT, deadline=4, on_delta=unheard)
    assert (given.text, given.model_name) == ("from the fallback", "spare")


async def test_a_refused_key_goes_straight_to_the_fallback(model: Model, stub: StubModel, other: StubModel) -> None:
    stub.fault("401", times=9)
    fallback = HostedModel("spare", "openai/stub", other.url, "sk-spare")
    given = await answer([model, fallback], PROMPT, deadline=20, on_delta=unheard)
    assert (given.model_name, given.calls, stub.calls) == ("spare", 2, 1)


async def test_the_models_wish_to_wait_is_obeyed(model: Model, stub: StubModel) -> None:
    stub.fault("429", retry_after=1)
    begun = time.monotonic()
    assert (await answer([model], PROMPT, deadline=20, on_delta=unheard)).calls == 2
    assert time.monotonic() - begun >= 1


async def test_a_wish_to_wait_beyond_the_deadline_goes_to_the_fallback(
    model: Model, stub: StubModel, other: StubModel
) -> None:
    stub.fault("429", times=9, retry_after=600)
    fallback = HostedModel("spare", "openai/stub", other.url, "sk-spare")
    begun = time.monotonic()
    assert (await answer([model, fallback], PROMPT, deadline=10, on_delta=unheard)).model_name == "spare"
    assert time.monotonic() - begun < 3


async def test_when_all_is_lost_the_longest_wish_to_wait_is_passed_on(model: Model, stub: StubModel) -> None:
    stub.fault("429", times=9, retry_after=600)
    with pytest.raises(ModelUnavailable) as lost:
        await answer([model], PROMPT, deadline=10, on_delta=unheard)
    assert lost.value.retry_after == 600


async def test_text_that_postgresql_would_refuse_is_made_well_formed(model: Model, stub: StubModel) -> None:
    texts = []
    for kind in ("nul", "surrogates", "split_surrogates"):
        stub.fault(kind)
        texts.append((await answer([model], PROMPT, deadline=20, on_delta=unheard)).text)
    assert texts[0] == "before"
    for text in texts:
        text.encode()
        assert "\0" not in text


async def test_an_emoji_cut_in_two_is_whole_again(stub: StubModel, session: aiohttp.ClientSession) -> None:
    stub.fault("split_surrogates")
    model = LocalModel("local/smollm2", stub.url, "secret", session, cache_salt="s")
    assert (await answer([model], PROMPT, deadline=20, on_delta=unheard)).text == "😀"


async def test_malformed_text_in_the_prompt_still_gets_an_answer(model: Model) -> None:
    prompt = [{"role": "user", "content": "a\ud83d\0b"}]
    assert (await answer([model], prompt, deadline=20, on_delta=unheard)).text == "You said: a\ufffdb"


async def test_one_endless_line_costs_an_attempt_and_not_the_process(model: Model, stub: StubModel) -> None:
    stub.fault("huge_line")
    assert len((await answer([model], PROMPT, deadline=20, on_delta=unheard)).text) <= MAX_ANSWER_CHARS


async def test_a_retry_begins_the_shown_text_again(model: Model, stub: StubModel) -> None:
    shown: list[str] = []

    async def show(text: str) -> None:
        shown.append(text)

    stub.fault("cut")
    await answer([model], PROMPT, deadline=20, on_delta=show)
    assert shown[-1] == "You said: hello there"
    assert all("You said: hello there".startswith(text) for text in shown)


async def test_an_error_of_the_listener_is_not_taken_for_the_models(model: Model, stub: StubModel) -> None:
    async def fenced(text: str) -> None:
        raise KeyError(text)

    with pytest.raises(KeyError):
        await answer([model], PROMPT, deadline=20, on_delta=fenced)
    assert stub.calls == 1


async def test_no_error_shows_the_key(stub: StubModel) -> None:
    model = HostedModel("gpt", "openai/stub", stub.url, "sk-very-secret")
    for kind in ("401", "500", "cut"):
        stub.fault(kind)
        with pytest.raises((ModelRefused, ModelUnavailable)) as failure:
            await stream(model)
        assert "sk-very-secret" not in str(failure.value)
        assert failure.value.__suppress_context__


async def test_a_router_that_knows_no_such_path_means_still_starting(session: aiohttp.ClientSession) -> None:
    async with StubModel() as stub:
        model = LocalModel("local/smollm2", f"{stub.url}/nowhere", "secret", session, cache_salt="s")
        with pytest.raises(ModelUnavailable, match="still starting"):
            await stream(model)


@pytest.mark.parametrize("kind", ["absent", "starting"])
async def test_a_model_that_is_still_starting_is_waited_for_and_that_is_no_attempt(
    kind: str, stub: StubModel, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "START_PAUSE_SECONDS", 0.01)
    model = LocalModel("local/smollm2", stub.url, "secret", session, cache_salt="s")
    stub.fault(kind, times=20)
    made: list[Call] = []
    given = await answer([model], PROMPT, deadline=5, on_delta=unheard, made=made)
    assert (given.text, given.calls, len(made), stub.calls) == ("You said: hello there", 1, 1, 21)


async def test_nobody_waits_for_a_model_that_starts_while_there_is_another(
    stub: StubModel, other: StubModel, session: aiohttp.ClientSession
) -> None:
    model = LocalModel("local/smollm2", stub.url, "secret", session, cache_salt="s")
    stub.fault("absent", times=20)
    fallback = HostedModel("spare", "openai/stub", other.url, "sk-spare")
    given = await answer([model, fallback], PROMPT, deadline=5, on_delta=unheard)
    assert (given.model_name, stub.calls) == ("spare", 1)


async def test_a_model_that_never_starts_is_unavailable_in_the_end(
    stub: StubModel, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "START_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(policy, "START_SECONDS", 0.3)
    model = LocalModel("local/smollm2", stub.url, "secret", session, cache_salt="s")
    stub.fault("absent", times=10_000)
    with pytest.raises(ModelUnavailable, match="still starting"):
        await answer([model], PROMPT, deadline=5, on_delta=unheard)


async def test_a_closed_port_is_unavailable_and_not_a_crash(session: aiohttp.ClientSession, own_port: int) -> None:
    url = f"http://127.0.0.1:{own_port}/v1"
    for model in (LocalModel("local/x", url, "t", session, cache_salt="s"), HostedModel("x", "openai/x", url, "k")):
        with pytest.raises(ModelUnavailable):
            await stream(model)


async def test_an_unknown_litellm_provider_is_refused_for_good() -> None:
    with pytest.raises(ModelRefused):
        await stream(HostedModel("typo", "no-such-provider/x", None, "k"))


def test_usage_is_estimated_where_nobody_counts() -> None:
    assert Usage.estimate([{"role": "user", "content": "12345678"}], "123") == Usage(2, 1, estimated=True)


@pytest.mark.parametrize("litellm", ["openai/stub", "openai/gpt-5-mini", "mistral/stub", "deepseek/stub"])
async def test_no_hosted_model_may_answer_with_more_tokens_than_a_turn_reserves(stub: StubModel, litellm: str) -> None:
    await stream(HostedModel("gpt", litellm, stub.url, "k", max_tokens=77))
    asked = stub.requests[0]
    assert 77 in (asked.get("max_tokens"), asked.get("max_completion_tokens"))

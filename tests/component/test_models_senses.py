"""Models that see and hear, against a real server on loopback."""

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from konstruct.errors import ModelRefused, ModelUnavailable
from konstruct.models import Usage
from konstruct.models.hosted import HostedModel
from konstruct.models.local import LocalModel
from konstruct.models.policy import answer
from konstruct.models.transcription import HostedTranscriber
from tests.stub_model import StubModel

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
PROMPT = [{"role": "user", "content": [{"type": "text", "text": "what is this?\0 [picture: cat.png]"}, PICTURE]}]


@pytest_asyncio.fixture
async def stub() -> AsyncIterator[StubModel]:
    async with StubModel(reply=lambda _: "a cat") as server:
        yield server


async def unheard(text: str) -> None:
    """Nobody watches the answer grow."""


async def test_a_model_that_sees_is_given_the_picture(stub: StubModel) -> None:
    model = HostedModel("eyes", "openai/stub", stub.url, "k", sees=True)
    assert (await answer([model], PROMPT, deadline=20, on_delta=unheard)).text == "a cat"
    text, picture = stub.requests[0]["messages"][0]["content"]
    assert text == {"type": "text", "text": "what is this? [picture: cat.png]"}
    assert picture["image_url"]["url"] == PICTURE["image_url"]["url"]


async def test_a_model_that_does_not_see_is_given_the_words_alone(stub: StubModel) -> None:
    async with aiohttp.ClientSession() as session:
        for model in (
            HostedModel("blind", "openai/stub", stub.url, "k"),
            LocalModel("local/smollm2", stub.url, "t", session, cache_salt="s"),
        ):
            await answer([model], PROMPT, deadline=20, on_delta=unheard)
            assert stub.requests[-1]["messages"] == [{"role": "user", "content": "what is this? [picture: cat.png]"}]


async def test_the_fallback_of_a_model_that_sees_is_given_what_it_can_take(stub: StubModel) -> None:
    stub.fault("400")
    models = [
        HostedModel("eyes", "openai/stub", stub.url, "k", sees=True),
        HostedModel("blind", "openai/stub", stub.url, "k"),
    ]
    assert (await answer(models, PROMPT, deadline=20, on_delta=unheard)).model_name == "blind"
    assert [type(request["messages"][0]["content"]) for request in stub.requests] == [list, str]


def test_a_picture_counts_in_an_estimate() -> None:
    assert Usage.estimate(PROMPT, "a cat").prompt_tokens > 1_000


async def test_a_recording_is_written_down(stub: StubModel) -> None:
    ears = HostedTranscriber("ears", "openai/whisper-1", stub.url, "k")
    said = await ears.transcribe(b"OggS" + bytes(100), "audio/ogg; codecs=opus", deadline=20)
    assert said == "Where is my order?"
    assert stub.requests[0] == {"model": "whisper-1", "file": "recording.ogg", "bytes": 104}


@pytest.mark.parametrize(("kind", "error"), [("401", ModelRefused), ("503", ModelUnavailable)])
async def test_a_failure_is_one_of_our_two_and_shows_no_key(kind: str, error: type, stub: StubModel) -> None:
    stub.fault(kind)
    ears = HostedTranscriber("ears", "openai/whisper-1", stub.url, "sk-very-secret")
    with pytest.raises(error) as failure:
        await ears.transcribe(b"x", "audio/ogg", deadline=20)
    assert "sk-very-secret" not in str(failure.value)
    assert stub.calls == 1


async def test_a_model_that_hangs_is_left_in_time(stub: StubModel) -> None:
    stub.fault("hang")
    begun = time.monotonic()
    with pytest.raises(ModelUnavailable):
        await HostedTranscriber("ears", "openai/whisper-1", stub.url, "k").transcribe(b"x", "audio/ogg", deadline=1)
    assert time.monotonic() - begun < 3

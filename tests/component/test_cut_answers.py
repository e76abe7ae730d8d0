"""Answers that are longer than they may be."""

import asyncio

import aiohttp
import pytest

from konstruct.models import Model
from konstruct.models.local import LocalModel
from konstruct.models.policy import MAX_ANSWER_CHARS, answer
from tests.stub_model import StubModel

PROMPT = [{"role": "user", "content": "hello there"}]


async def unheard(text: str) -> None:
    """Nobody watches the answer grow."""


async def test_an_answer_that_the_server_ended_where_it_was_told_to_is_cut(model: Model, stub: StubModel) -> None:
    stub.reply = lambda _: " ".join(f"word{number}" for number in range(5000))
    given = await answer([model], PROMPT, deadline=30, on_delta=unheard)
    told, words = stub.requests[0]["max_tokens"], given.text.split()
    assert given.cut and len(words) == told < 5000 and words[-1] == f"word{told - 1}…"


@pytest.mark.parametrize(
    ("ended", "marked"), [("```", "```\n…"), ("so:\n[[yes | no]]", "so:\n[[yes | no]]"), ("[[a", "[[a…")]
)
async def test_what_ends_with_its_line_is_whole_in_a_cut_answer(
    ended: str, marked: str, stub: StubModel, session: aiohttp.ClientSession
) -> None:
    stub.reply = lambda _: f"{ended} and more"
    model = LocalModel("local/smollm2", stub.url, "secret", session, len(ended.split()), cache_salt="s")
    assert (await answer([model], PROMPT, deadline=30, on_delta=unheard)).text == marked


async def test_a_huge_answer_is_cut_and_the_model_is_hung_up_on(model: Model, stub: StubModel) -> None:
    stub.fault("huge")
    given = await answer([model], PROMPT, deadline=20, on_delta=unheard)
    assert given.cut and len(given.text) <= MAX_ANSWER_CHARS and given.text.endswith("…") and given.usage.estimated
    for _ in range(50):
        if not stub.running:
            break
        await asyncio.sleep(0.05)
    assert stub.running == 0

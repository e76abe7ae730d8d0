"""Budgets in a tenant file, and the worst case of a prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct import tenant_file
from konstruct.budget import check_priced
from konstruct.errors import TenantFileInvalid
from konstruct.models import Usage
from konstruct.models.size import TOKENS_PER_PICTURE_AT_MOST, tokens_at_most
from konstruct.price_list import PriceList

EMPLOYEE = "tenant: acme\nemployee: {name: Ada, instructions: x, model: gpt}\n"
MODEL = (
    "models: [{name: gpt, litellm: openai/of-my-own}, {name: ears, litellm: openai/whisper-1, transcription: true}]\n"
)


def parsed(budgets: str) -> tenant_file.TenantFile:
    return tenant_file.parse(f"{EMPLOYEE}{MODEL}budgets: {budgets}", {})


def test_a_budget_is_kept_in_micro_dollars_and_null_as_no_limit() -> None:
    stored = parsed("{tenant: {usd: 12.5, tokens: null}, conversation: {tokens: 1000}, at_limit: [gpt]}").budgets.stored
    assert stored == {
        "tenant": {"micros": 12_500_000, "tokens": None},
        "employee": {"micros": None, "tokens": None},
        "conversation": {"micros": None, "tokens": 1000},
        "at_limit": ["gpt"],
        "message": None,
    }


def test_budgets_without_any_limit_are_none() -> None:
    assert parsed("{tenant: {usd: null}, at_limit: [gpt]}").budgets.stored == {}


@pytest.mark.parametrize(
    ("budgets", "problem"),
    [
        ("{tenant: {usd: -1}}", "greater than or equal to 0"),
        ("{tenant: {usd: 0.0000001}}", "decimal places"),
        ("{tenant: {dollars: 1}}", "not permitted"),
        ("{tenant: {usd: 1}, at_limit: [gtp]}", "not among the models"),
        ("{tenant: {usd: 1}, at_limit: [ears]}", "only transcribes"),
    ],
)
def test_a_budget_that_cannot_be_used_is_refused_with_its_place(budgets: str, problem: str) -> None:
    with pytest.raises(TenantFileInvalid, match=problem):
        parsed(budgets)


def test_money_needs_a_price_and_tokens_do_not() -> None:
    with pytest.raises(TenantFileInvalid, match=r"models\.gpt: no price is known for openai/of-my-own"):
        check_priced(parsed("{tenant: {usd: 1}}"), PriceList())
    check_priced(parsed("{tenant: {tokens: 1}}"), PriceList())


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_no_prompt_has_more_tokens_than_are_reserved_for_it(texts: list[str]) -> None:
    prompt = [{"role": "user", "content": text} for text in texts]
    assert tokens_at_most(prompt, sees=False) >= sum(len(text.encode("utf-8", "replace")) for text in texts)
    assert tokens_at_most(prompt, sees=False) >= Usage.estimate(prompt, "").prompt_tokens


def test_a_picture_is_reserved_for_only_where_the_model_sees_it() -> None:
    prompt = [{"role": "user", "content": [{"type": "text", "text": "hm"}, {"type": "image_url", "image_url": {}}]}]
    assert tokens_at_most(prompt, sees=True) - tokens_at_most(prompt, sees=False) == TOKENS_PER_PICTURE_AT_MOST

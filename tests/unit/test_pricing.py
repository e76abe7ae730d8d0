"""Prices and costs: whole numbers, never negative, additive; the lists in their order."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct import tenant_file
from konstruct.errors import SettingsInvalid, TenantFileInvalid
from konstruct.models import Usage
from konstruct.price_list import PriceList, provider_of
from konstruct.pricing import FREE, PICOS_PER_MICRO, Price, Rates, micros

TOKENS = st.integers(0, 2_000_000)
RATE = st.integers(0, 100_000_000)
RATES = st.builds(Rates, RATE, RATE, RATE)
PRICES = st.builds(
    lambda rates, sizes: Price("x", rates, tuple(sorted(sizes.items()))),
    RATES,
    st.dictionaries(st.integers(1, 1_000_000), RATES, max_size=2),
)
USAGES = st.builds(Usage, TOKENS, TOKENS, st.just(value=False), TOKENS)
EMPLOYEE = "tenant: acme\nemployee: {name: Ada, instructions: x, model: gpt}\n"


@given(RATES, USAGES, USAGES)
def test_the_cost_of_two_calls_is_the_sum_of_their_costs(rates: Rates, one: Usage, other: Usage) -> None:
    cached = min(one.cached_tokens, one.prompt_tokens) + min(other.cached_tokens, other.prompt_tokens)
    both = Usage(
        one.prompt_tokens + other.prompt_tokens, one.completion_tokens + other.completion_tokens, cached_tokens=cached
    )
    assert rates.picos(both) == rates.picos(one) + rates.picos(other)


@given(st.lists(st.integers(0, 10**15), max_size=20))
def test_a_turn_is_rounded_up_once_and_by_less_than_a_micro_dollar(calls: list[int]) -> None:
    assert 0 <= micros(sum(calls)) * PICOS_PER_MICRO - sum(calls) < PICOS_PER_MICRO


@given(PRICES, st.builds(Usage, st.integers(-5, 10), st.integers(-5, 10), st.just(value=False), st.integers(-5, 20)))
def test_no_cost_is_negative_whatever_a_provider_counts(price: Price, usage: Usage) -> None:
    assert price.picos(usage) >= 0


@given(PRICES, USAGES, TOKENS, TOKENS)
def test_no_call_costs_more_than_the_worst_case_of_its_tokens(
    price: Price, usage: Usage, more_asked: int, more_answered: int
) -> None:
    worst = price.picos_at_most(usage.prompt_tokens + more_asked, usage.completion_tokens + more_answered)
    assert price.picos(usage) <= worst


def test_a_listed_model_is_found_with_and_without_its_provider() -> None:
    listed = PriceList().price("openai/gpt-4o")
    assert listed == PriceList().price("gpt-4o")
    assert listed.rates.input > 0
    assert listed.source.startswith("litellm-")
    assert provider_of("gpt-4o") == provider_of("openai/gpt-4o") == "openai"


def test_the_list_is_read_without_importing_litellm() -> None:
    asked = "from konstruct.price_list import PriceList; print(PriceList().price('openai/gpt-4o').known)"
    looked = f"import sys; {asked}; print('litellm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_a_model_of_one_provider_is_not_priced_as_that_of_another() -> None:
    assert not PriceList().price("groq/gpt-4o").known


def test_a_price_that_nobody_knows_counts_as_nothing_and_says_so() -> None:
    unknown = PriceList().price("openai/of-my-own")
    assert unknown.picos(Usage(1000, 1000)) == 0
    assert not unknown.known
    assert unknown.version(5) == "unknown in=0 cached=0 out=0"


def test_the_tenants_price_comes_before_the_installations_and_that_before_the_list(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("openai/gpt-4o: {input: 1.5, output: 2}\nlocal/smollm2: {input: 0.01, output: 0.01}\n")
    prices = PriceList.read(str(path))
    assert prices.price("openai/gpt-4o", {"input": 7, "cached": None, "output": 9}).rates == Rates(7, 7, 9)
    assert prices.price("openai/gpt-4o").rates == Rates(1_500_000, 1_500_000, 2_000_000)
    assert prices.price("local/smollm2").version(1) == "installation in=10000 cached=10000 out=10000"
    assert PriceList().price("local/smollm2") == FREE


@pytest.mark.parametrize("text", ["x: {input: -1, output: 1}", "x: 3", "- x", "x: {input: 0.0000001, output: 1}", "{"])
def test_a_list_of_prices_that_cannot_be_used_stops_the_start_with_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(SettingsInvalid, match="KONSTRUCT_PRICES_FILE names"):
        PriceList.read(str(path))


def test_a_price_in_a_tenant_file_is_exact() -> None:
    text = "models: [{name: gpt, litellm: x/y, price: {input: 0.1, output: 2.000001}, max_answer_tokens: 500}]"
    model = tenant_file.parse(EMPLOYEE + text, {}).models[0]
    assert model.row["price"] == {"input": 100_000, "cached": None, "output": 2_000_001}
    assert model.max_answer_tokens == 500


def test_a_negative_price_is_refused() -> None:
    with pytest.raises(TenantFileInvalid, match=r"price\.input"):
        tenant_file.parse(EMPLOYEE + "models: [{name: gpt, litellm: x/y, price: {input: -1, output: 2}}]", {})


FEES = ["perplexity/sonar", "perplexity/sonar-medium-online", "openai/gpt-4o-search-preview", "gpt-5-search-api"]
LISTED_AS_NOTHING = ["volcengine/deepseek-v3-2-251201", "gigachat/GigaChat-2-Max", "azure/model-router"]


@pytest.mark.parametrize("model", FEES + LISTED_AS_NOTHING)
def test_a_model_that_costs_more_than_its_tokens_or_is_listed_at_nothing_has_no_known_price(model: str) -> None:
    assert provider_of(model) != "local"
    assert not PriceList().price(model).known
    assert PriceList().price(model, {"input": 1, "cached": None, "output": 1}).known


@pytest.mark.parametrize(
    "model", ["openai/gpt-4o", "gpt-5-mini", "anthropic/claude-sonnet-4-5", "ollama/llama3", "gemini/gemini-2.5-pro"]
)
def test_models_that_cost_their_tokens_and_those_at_home_keep_their_price(model: str) -> None:
    assert PriceList().price(model).known

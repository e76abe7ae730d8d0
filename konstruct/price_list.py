"""Which price a model has: the tenant's own, the installation's, or LiteLLM's bundled one; never the network."""

import functools
import importlib.metadata
import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import orjson
import yaml
from pydantic import TypeAdapter

from konstruct.errors import SettingsInvalid
from konstruct.pricing import FREE, NOBODY_KNOWS, Price, Rates
from konstruct.tenant_file import LOCAL
from konstruct.tenant_file.model import PriceEntry

BUNDLED = "litellm/model_prices_and_context_window_backup.json"
_ABOVE = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
# Of models that search whether they are asked to or not, each search costs something besides.
_SEARCHES = re.compile("search|research")
# Who runs these pays for a machine, and nobody for tokens.
SERVED_AT_HOME = frozenset({"ollama", "lemonade"})
_ENTRIES = TypeAdapter(dict[str, PriceEntry])


class PriceList:
    """The prices of one installation."""

    def __init__(self, own: Mapping[str, Price] | None = None) -> None:
        """`own`: the installation's prices by LiteLLM model string or local/<id>."""
        self._own = own or {}

    @classmethod
    def read(cls, path: str) -> "PriceList":
        """Read the file that KONSTRUCT_PRICES_FILE names, "" for none; raises SettingsInvalid."""
        if not path:
            return cls()
        try:
            entries = _ENTRIES.validate_python(yaml.safe_load(Path(path).read_text()) or {})
        except (OSError, ValueError, yaml.YAMLError) as error:
            why = " ".join(str(error).split())
            raise SettingsInvalid(
                f"KONSTRUCT_PRICES_FILE names {path}, which is no list of prices: {why}. "
                "It must read like `openai/gpt-5-mini: {input: 0.25, output: 2}`, in USD per million tokens."
            ) from error
        return cls({name: Price.stated("installation", entry.stored) for name, entry in entries.items()})

    def price(self, model: str, stated: Mapping[str, Any] | None = None) -> Price:
        """The price of a LiteLLM model string or of local/<id>; `stated`: what the tenant itself says."""
        if stated:
            return Price.stated("tenant", dict(stated))
        if model in self._own:
            return self._own[model]
        return FREE if model.startswith(LOCAL) else _bundled(model)


def provider_of(model: str) -> str:
    """Who is asked when this model is: `openai` of openai/gpt-5-mini; `local` of local/smollm2."""
    prefix, slash, _ = model.partition("/")
    return prefix if slash else str(_list().get(model, {}).get("litellm_provider", "openai"))


def providers_of(model: str) -> set[str]:
    """All that LiteLLM may take for its provider: it asks its list, too, where the name's beginning is none."""
    return {provider_of(model), str(_list().get(model, {}).get("litellm_provider", provider_of(model)))}


@functools.lru_cache(1_000)
def _bundled(model: str) -> Price:
    provider, _, rest = model.partition("/")
    entry = _list().get(model)
    # The list names most models of the great providers without them.
    if entry is None and rest and str(_list().get(rest, {}).get("litellm_provider", "")).startswith(provider):
        entry = _list()[rest]
    if entry is None or "input_cost_per_token" not in entry or not _by_tokens(entry, model):
        return NOBODY_KNOWS
    sizes = sorted(int(found[1]) for key in entry if (found := _ABOVE.fullmatch(key)))
    above = tuple((size * 1000, _rates(entry, f"_above_{size}k_tokens")) for size in sizes)
    return Price(f"litellm-{importlib.metadata.version('litellm')}", _rates(entry, ""), above)


def _by_tokens(entry: Mapping[str, Any], model: str) -> bool:
    """Whether tokens at these rates are all that a call costs; a listed 0 mostly means that nobody looked it up."""
    if entry["litellm_provider"] in SERVED_AT_HOME:
        return True
    searches = entry["litellm_provider"] == "perplexity" or _SEARCHES.search(model)
    if "input_cost_per_request" in entry or ("search_context_cost_per_query" in entry and searches):
        return False
    return bool(entry["input_cost_per_token"] and entry.get("output_cost_per_token"))


def _rates(entry: Mapping[str, Any], size: str) -> Rates:
    asked = _rate(entry.get(f"input_cost_per_token{size}", entry["input_cost_per_token"]))
    cached = entry.get(f"cache_read_input_token_cost{size}")
    # Thinking is answered tokens, too, and a few models charge more for it.
    answered = [entry.get(f"output_cost_per_token{size}"), entry.get("output_cost_per_token")]
    output = next((cost for cost in answered if cost is not None), 0)
    thought = entry.get("output_cost_per_reasoning_token") or 0
    return Rates(asked, asked if cached is None else _rate(cached), max(_rate(output), _rate(thought)))


def _rate(usd_per_token: float) -> int:
    # By way of the text: the float nearest to 0.00000025 is not 0.00000025.
    return int((Decimal(str(usd_per_token)) * 10**12).to_integral_value(ROUND_CEILING))


@functools.cache
def _list() -> dict[str, dict[str, Any]]:
    # Read as a file: importing LiteLLM takes seconds, and only who asks a hosted model pays for that.
    path = importlib.metadata.distribution("litellm").locate_file(BUNDLED)
    listed: dict[str, dict[str, Any]] = orjson.loads(Path(str(path)).read_bytes())
    kept = re.compile(
        r"(in|out)put_cost_per_(reasoning_)?token(_above_\d+k_tokens)?|cache_read_input_token_cost.*"
        "|litellm_provider|input_cost_per_request|search_context_cost_per_query"
    )
    return {name: {key: value for key, value in entry.items() if kept.fullmatch(key)} for name, entry in listed.items()}

"""What a turn took: the tokens and the cost of all its calls, priced by the models that were really asked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from konstruct.metrics import Metrics
from konstruct.models import Answer, Call, Usage
from konstruct.pricing import UNPRICED, Terms, micros

# Two of them still fit into what PostgreSQL calls an int.
MOST_TOKENS_OF_A_TURN = 1_000_000_000


def usage_of(
    employee: UUID, result: Answer | None, calls: Sequence[Call], terms: Mapping[str, Terms]
) -> dict[str, Any] | None:
    """The ledger's row, None where no model was asked or given up on; `terms`: by the name of the model."""
    if result is None and not calls:
        return None
    last = calls[-1] if calls else Call("", Usage(0, 0))
    name = result.model_name if result else last.model_name
    answering = terms.get(name, UNPRICED)
    each = [_priced(call, terms.get(call.model_name, UNPRICED)) for call in calls]
    return {
        "employee": str(employee),
        "model": name,
        "provider": answering.provider,
        "calls": len(calls),
        "answered": bool(result and result.calls),
        "prompt_tokens": _total(call.usage.prompt_tokens for call in calls),
        "cached_tokens": _total(call.usage.cached_tokens for call in calls),
        "completion_tokens": _total(call.usage.completion_tokens for call in calls),
        "cost_micros": micros(sum(call["picos"] for call in each)),
        "price_version": answering.price.version(last.usage.prompt_tokens),
        "each_call": each if len(each) > 1 else None,
    }


def _total(tokens: Iterable[int]) -> int:
    return min(sum(tokens), MOST_TOKENS_OF_A_TURN)


def _priced(call: Call, terms: Terms) -> dict[str, Any]:
    return {
        "model": call.model_name,
        "provider": terms.provider,
        "prompt_tokens": call.usage.prompt_tokens,
        "cached_tokens": call.usage.cached_tokens,
        "completion_tokens": call.usage.completion_tokens,
        "estimated": call.usage.estimated,
        "picos": terms.price.picos(call.usage),
        "price_version": terms.price.version(call.usage.prompt_tokens),
    }


def measure(metrics: Metrics, usage: Mapping[str, Any], reached: Sequence[int]) -> None:
    """Count what a turn took, and the shares of budgets that it reached."""
    metrics.count("konstruct_model_tokens_total", "prompt", usage["prompt_tokens"])
    metrics.count("konstruct_model_tokens_total", "completion", usage["completion_tokens"])
    metrics.count("konstruct_model_cost_micros_total", usage["provider"], usage["cost_micros"])
    for percent in reached:
        metrics.count("konstruct_budget_alerts_total", f"{percent} percent")

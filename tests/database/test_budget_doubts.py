"""Budgets hold whatever a model says it counted, also where nobody knows what it costs."""

import pytest

from actors.costing import usage_of
from konstruct.budget import TOLD, USED_UP
from konstruct.models import MOST_TOKENS, Call, Usage
from tests.database.test_budgets import ADA, SECONDS, cheap, ledger, limit, rows, spent, town
from tests.rig import Rig
from tests.stub_model import StubModel

__all__ = ["cheap", "town"]


@pytest.mark.parametrize("usd", [1, None])
@pytest.mark.parametrize(
    "counts",
    [
        {"prompt_tokens": -5_000, "completion_tokens": -5_000},
        {"prompt_tokens": 10, "completion_tokens": 5_000_000_000},
        {"prompt_tokens": 10, "completion_tokens": 900_000},
    ],
)
async def test_whatever_a_model_says_it_counted_the_budget_holds_and_the_turn_commits(
    town: Rig, cheap: StubModel, counts: dict[str, int], usd: int | None
) -> None:
    await limit(town, cheap, f"{{tenant: {{usd: {usd or 'null'}}}}}")
    town.model.counts = counts
    for said in range(2):
        await town.slack.say("hello")
        await town.replies(said + 1, timeout=SECONDS)
    assert town.model.calls == 2
    micros, tokens, *_ = ledger(town)
    assert micros > 0
    assert tokens > 0
    if usd:
        assert spent(town) == ledger(town)
        assert micros <= 1_000_000


async def test_tokens_of_many_calls_are_never_more_than_postgresql_can_add(town: Rig, cheap: StubModel) -> None:
    calls = [Call("m", Usage(MOST_TOKENS, MOST_TOKENS))] * 500
    usage = usage_of(ADA, None, calls, {})
    assert usage is not None
    (row,) = rows(town, "select %s::int + %s::int as both", usage["prompt_tokens"], usage["completion_tokens"])
    assert row["both"] == 2_000_000_000


@pytest.mark.parametrize("instead", ["", ", at_limit: [cheap]"])
async def test_a_model_whose_price_nobody_knows_is_not_asked_under_a_budget_in_usd_and_operators_are_told(
    town: Rig, cheap: StubModel, instead: str
) -> None:
    await limit(town, cheap, f"{{tenant: {{usd: 5}}{instead}}}")
    rows(town, "update models set price = null, litellm = 'openai/nobody-knows-it' where name = 'dear'")
    rows(town, "update spending set month = month - interval '1 month'")
    for said in range(2):
        await town.slack.say("hello")
        answered = (await town.replies(said + 1, timeout=SECONDS))[said]
        assert answered == ("from the cheap one" if instead else USED_UP + TOLD)
    assert town.model.calls == 0
    [notice] = await town.replies(1, "C0OPS", timeout=SECONDS)
    assert "Nobody knows what dear costs, so the month's budget of acme, 5.00 USD, could not hold." in notice
    assert ("Answers come from cheap" in notice) == bool(instead)
    [alert] = rows(town, "select * from budget_alerts")
    assert (alert["percent"], alert["unit"]) == (100, "micros")

"""A month's budgets, through the whole product: held before a model is asked, settled with the answer, told of."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
from psycopg.rows import dict_row

from konstruct import tenant_file
from konstruct.budget import TOLD, USED_UP
from konstruct.database import budgets, tenants
from konstruct.database.budgets import Cost, Room
from konstruct.errors import StaleTurn
from konstruct.identity import employee_id, tenant_id
from konstruct.vault import Vault
from tests.rig import APP, TENANT, Rig, rig
from tests.stub_model import StubModel

ACME = tenant_id("acme")
ADA = employee_id(ACME, "Ada")
MODELS = """
models:
  - {{name: dear, litellm: openai/stub, api_base: "{url}", api_key: k, max_answer_tokens: 100,
      price: {{input: 1, output: 1000}}}}
  - {{name: cheap, litellm: openai/stub, api_base: "{cheap}", api_key: k, max_answer_tokens: 100,
      price: {{input: 1, output: 10}}}}
operators: {{slack_channel: C0OPS}}
budgets: {budgets}
"""
SECONDS = 60.0


@pytest_asyncio.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path) as under_test:
        yield under_test


@pytest_asyncio.fixture
async def cheap() -> AsyncIterator[StubModel]:
    async with StubModel(reply=lambda _: "from the cheap one") as server:
        yield server


async def limit(town: Rig, cheap: StubModel, limits: str, model: str = "dear") -> None:
    """Before anything is said: hosts look at the configuration every five seconds."""
    text = TENANT.format(tenant="acme", app=APP, quiet=0).replace("model: local/stub", f"model: {model}")
    parsed = tenant_file.parse(text + MODELS.format(url=town.model.url, cheap=cheap.url, budgets=limits), {})
    assert await tenants.apply_tenant(town.database, parsed, Vault(town.settings.master_keys))


def rows(town: Rig, query: str, *values: Any) -> list[dict[str, Any]]:
    with psycopg.connect(town.settings.database_url or "", row_factory=dict_row) as owner:
        ran = owner.execute(query.encode(), values)
        return ran.fetchall() if ran.description else []


def spent(town: Rig, scope: str = "tenant") -> tuple[int, int, int, int]:
    (row,) = rows(town, "select * from spending where scope = %s", scope)
    return row["spent_micros"], row["spent_tokens"], row["reserved_micros"], row["reserved_tokens"]


def ledger(town: Rig) -> tuple[int, int, int, int]:
    (row,) = rows(
        town,
        "select coalesce(sum(cost_micros), 0)::bigint m, coalesce(sum(prompt_tokens + completion_tokens), 0)::bigint t"
        " from usage",
    )
    return row["m"], row["t"], 0, 0


async def test_a_turn_holds_its_worst_case_while_the_model_is_asked_and_settles_what_it_cost(
    town: Rig, cheap: StubModel
) -> None:
    await limit(town, cheap, "{tenant: {usd: 1}, conversation: {tokens: 100000}}")
    town.model.fault("delay", seconds=3)
    await town.slack.say("hello")
    while not town.model.running:
        await asyncio.sleep(0.01)
    assert spent(town)[2] > 3 * 100_000  # three tries of a hundred tokens each
    await town.replies(1, timeout=SECONDS)
    assert [spent(town, scope) for scope in ("tenant", "employee", "conversation")] == [ledger(town)] * 3
    assert ledger(town)[0] > 0
    assert not rows(town, "select * from reservations")
    assert rows(town, "select counted from usage") == [{"counted": True}]


async def test_where_the_employees_model_has_no_room_a_cheaper_one_answers_and_operators_know(
    town: Rig, cheap: StubModel
) -> None:
    await limit(town, cheap, "{employee: {usd: 0.05}, at_limit: [cheap, local/stub]}")
    await town.slack.say("hello")
    assert await town.replies(1, timeout=SECONDS) == ["from the cheap one"]
    assert town.model.calls == 0
    (notice,) = await town.replies(1, "C0OPS", timeout=SECONDS)
    assert "budget of Ada has no room for another answer: 0.00 USD of 0.05 USD is used" in notice
    assert "cheap, then stub" in notice
    await town.slack.say("again")
    await town.replies(2, timeout=SECONDS)
    await asyncio.sleep(2)
    assert len(await town.texts("C0OPS")) == 1
    (alert,) = rows(town, "select * from budget_alerts")
    assert (alert["scope"], alert["unit"], alert["percent"], alert["budget"]) == ("employee", "micros", 100, 50_000)


async def test_then_the_self_hosted_model_answers(town: Rig, cheap: StubModel) -> None:
    await limit(town, cheap, "{tenant: {usd: 0.0001}, at_limit: [cheap, local/stub]}")
    await town.slack.say("hello")
    assert await town.replies(1, timeout=SECONDS) == ["You said: hello"]
    assert cheap.calls == 0
    assert [row["model"] for row in rows(town, "select model from usage")] == ["stub"]


@pytest.mark.parametrize("limits", ["{tenant: {usd: 0}, at_limit: [cheap]}", "{conversation: {tokens: 10}}"])
async def test_without_any_room_the_contact_is_told_honestly_and_no_model_is_asked(
    town: Rig, cheap: StubModel, limits: str
) -> None:
    await limit(town, cheap, limits)
    for said in range(2):
        await town.slack.say(f"hello {said}")
        assert (await town.replies(said + 1, timeout=SECONDS))[said] == USED_UP + TOLD
    assert town.model.calls + cheap.calls == 0
    assert "has no room" in "".join(await town.replies(1, "C0OPS", timeout=SECONDS))
    assert [row["state"] for row in rows(town, "select state from inbox")] == ["answered"] * 2
    assert ledger(town) == (0, 0, 0, 0)
    assert rows(town, "select calls, answered from usage") == [{"calls": 0, "answered": False}] * 2
    assert not rows(town, "select * from audit_events where action = 'model.called'")


async def test_operators_are_told_once_at_a_half_at_four_fifths_and_when_nothing_goes_any_more(
    town: Rig, cheap: StubModel
) -> None:
    town.model.reply = lambda _: " ".join(["word"] * 90)
    await limit(town, cheap, "{tenant: {usd: 0.4}, message: Nothing left.}")
    for said in range(6):
        await town.slack.say(f"hello {said}")
        await town.replies(said + 1, timeout=SECONDS)
    assert (await town.texts())[-2:] == ["Nothing left."] * 2
    told = await town.replies(3, "C0OPS", timeout=SECONDS)
    await asyncio.sleep(2)
    assert len(await town.texts("C0OPS")) == 3
    assert sorted(row["percent"] for row in rows(town, "select percent from budget_alerts")) == [50, 80, 100]
    assert any(text.startswith("50 % of the month's budget of acme is used: 0.27 USD of 0.40 USD.") for text in told)
    assert spent(town)[0] == ledger(town)[0] <= 400_000


async def test_null_is_no_limit_and_costs_no_statement(town: Rig, cheap: StubModel) -> None:
    await limit(town, cheap, "{tenant: {usd: null}, employee: {tokens: null}}")
    await town.slack.say("hello")
    await town.replies(1, timeout=SECONDS)
    assert rows(town, "select budgets from tenants") == [{"budgets": {}}]
    assert not rows(town, "select * from spending")


async def test_what_was_spent_before_there_was_a_budget_counts(town: Rig, cheap: StubModel) -> None:
    await limit(town, cheap, "{}")
    await town.slack.say("hello")
    await town.replies(1, timeout=SECONDS)
    await limit(town, cheap, "{tenant: {usd: 5}}")
    assert spent(town) == ledger(town)
    await asyncio.sleep(5.1)
    await town.slack.say("again")
    await town.replies(2, timeout=SECONDS)
    assert spent(town) == spent(town, "conversation") == ledger(town)


async def test_a_new_month_begins_with_nothing_spent(town: Rig, cheap: StubModel) -> None:
    await limit(town, cheap, "{tenant: {usd: 0.4}}")
    rows(town, "update spending set month = month - interval '1 month', spent_micros = 400000")
    await town.slack.say("hello")
    assert await town.replies(1, timeout=SECONDS) == ["You said: hello"]
    assert spent(town) == ledger(town)


async def test_a_turn_whose_reservation_is_gone_begins_anew_and_is_answered_once(town: Rig, cheap: StubModel) -> None:
    await limit(town, cheap, "{tenant: {usd: 1}}")
    town.model.fault("delay", seconds=3)
    await town.slack.say("hello")
    while not town.model.running:
        await asyncio.sleep(0.01)
    rows(town, "delete from reservations")
    rows(town, "update spending set reserved_micros = 0, reserved_tokens = 0")
    await town.replies(1, timeout=SECONDS)
    await asyncio.sleep(1)
    assert await town.texts() == ["You said: hello"]
    assert town.model.calls == 2
    assert spent(town) == ledger(town)


async def reserve(town: Rig, turn: Any, conversation: Any, *costs: int) -> Room:
    return await budgets.reserve(
        town.database, ACME, conversation, employee=ADA, turn=turn, choices=[Cost(cost, cost) for cost in costs]
    )


async def test_a_repeated_turn_holds_once_and_what_expired_is_free_by_the_databases_clock(
    town: Rig, cheap: StubModel
) -> None:
    await limit(town, cheap, "{tenant: {usd: 1}}")
    turn, other, conversation = uuid4(), uuid4(), uuid4()
    assert await reserve(town, turn, conversation, 600_000) == Room(0, None, held=True)
    assert await reserve(town, turn, conversation, 700_000) == Room(0, None, held=True)
    assert spent(town)[2] == 700_000
    full = {"scope": "tenant", "unit": "micros"}
    assert await reserve(town, other, conversation, 400_000, 300_001) == Room(None, full, held=False)
    assert await reserve(town, other, conversation, 400_000, 300_000) == Room(1, full, held=True)
    rows(town, "update reservations set expires_at = now() where turn_id = %s", turn)
    assert await reserve(town, uuid4(), conversation, 700_000) == Room(0, None, held=True)
    assert spent(town)[2] == spent(town, "conversation")[2] == 1_000_000


async def test_a_turn_that_has_committed_reserves_nothing_again(town: Rig, cheap: StubModel) -> None:
    await limit(town, cheap, "{tenant: {usd: 1}}")
    await town.slack.say("hello")
    await town.replies(1, timeout=SECONDS)
    (row,) = rows(town, "select turn_id, conversation_id from usage")
    with pytest.raises(StaleTurn):
        await reserve(town, row["turn_id"], row["conversation_id"], 1)
    assert spent(town) == ledger(town)

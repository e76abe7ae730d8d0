"""What a turn cost is in the ledger: also of calls that failed, were repeated, given up, or fell back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest_asyncio
from psycopg.rows import dict_row

from konstruct import tenant_file
from konstruct.database import installation, tenants, turns, usage
from konstruct.identity import conversation_id, shard_of, tenant_id
from konstruct.messages import Address, Inbound
from konstruct.vault import Vault
from tests.rig import APP, TENANT, Rig, rig
from tests.stub_model import StubModel

MODELS = """
models:
  - {{name: gpt, litellm: openai/stub, api_base: "{url}", api_key: k, price: {{input: 2, output: 8}}}}
  - {{name: spare, litellm: mistral/stub, api_base: "{spare}", api_key: k, price: {{input: 1, output: 1}}}}
"""


@pytest_asyncio.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path) as under_test:
        yield under_test


@pytest_asyncio.fixture
async def spare() -> AsyncIterator[StubModel]:
    async with StubModel() as server:
        yield server


async def employ(town: Rig, spare: StubModel, quiet: float = 0) -> None:
    text = TENANT.format(tenant="acme", app=APP, quiet=quiet)
    text = text.replace("model: local/stub", "model: gpt, fallback_model: spare")
    parsed = tenant_file.parse(text + MODELS.format(url=town.model.url, spare=spare.url), {})
    assert await tenants.apply_tenant(town.database, parsed, Vault(town.settings.master_keys))


async def ledger(town: Rig) -> list[dict[str, Any]]:
    """Once there is anything in it: of an answer that takes long some is visible before the turn commits."""
    with psycopg.connect(town.settings.database_url or "", row_factory=dict_row, autocommit=True) as owner:
        async with asyncio.timeout(60):
            while not (rows := owner.execute("select * from usage order by created_at").fetchall()):
                await asyncio.sleep(0.05)
    return rows


async def ask_in_vain(town: Rig) -> None:
    """A model is asked, and does not answer."""
    town.model.fault("hang")
    await town.slack.say("hello")
    while not town.model.calls:
        await asyncio.sleep(0.01)


def in_replies(town: Rig) -> list[int]:
    """What a plan by replies would bill."""
    with psycopg.connect(town.settings.database_url or "") as owner:
        asked = "select in_units('replies', answered, cost_micros, 0) from ledger_entries(%s, '-infinity', 'infinity')"
        return [units for (units,) in owner.execute(asked, [tenant_id("acme")])]


def at(row: dict[str, Any], asked: int, answered: int) -> int:
    """Tokens at so many micro-USD each, which divides without rest."""
    return int(row["prompt_tokens"] * asked + row["completion_tokens"] * answered)


async def test_a_turn_costs_its_tokens_at_the_price_of_its_model(town: Rig, spare: StubModel) -> None:
    await employ(town, spare)
    await town.slack.say("hello")
    await town.replies(1, timeout=60)
    (row,) = await ledger(town)
    assert row["cost_micros"] == at(row, 2, 8) > 0
    assert (row["model"], row["provider"], row["channel"], row["calls"]) == ("gpt", "openai", "slack", 1)
    assert row["price_version"] == "tenant in=2000000 cached=2000000 out=8000000"
    assert row["each_call"] is None
    assert row["answered"]
    assert in_replies(town) == [1]
    assert town.model.requests[0]["max_tokens"] == 4096


async def test_calls_that_failed_on_the_way_and_the_fallback_are_priced_by_whom_was_asked(
    town: Rig, spare: StubModel
) -> None:
    await employ(town, spare)
    town.model.fault("cut", times=2)
    town.model.fault("401")
    await town.slack.say("hello again and again")
    await town.replies(1, timeout=60)
    (row,) = await ledger(town)
    assert [(call["model"], call["estimated"]) for call in row["each_call"]] == [
        ("gpt", True), ("gpt", True), ("gpt", False), ("spare", False),
    ]  # fmt: skip
    picos = sum(call["picos"] for call in row["each_call"])
    refused, answered = row["each_call"][2:]
    assert refused["picos"] == 0
    assert answered["picos"] == (answered["prompt_tokens"] + answered["completion_tokens"]) * 1_000_000
    assert row["cost_micros"] == picos // 1_000_000 > answered["picos"] // 1_000_000
    assert (row["model"], row["provider"], row["calls"]) == ("spare", "mistral", 4)
    assert row["prompt_tokens"] == sum(call["prompt_tokens"] for call in row["each_call"])
    async with town.database.tenant(tenant_id("acme")) as connection:
        today = datetime.now(UTC).date()
        gpt, other = await usage.usage(connection, today, today, ["model", "provider"], limit=9, offset=0)
        [whole] = await usage.usage(connection, today, today, ["day"], limit=9, offset=0)
        in_vain = await usage.asked_in_vain(connection)
    assert [(u.model, u.provider, u.turns, u.calls) for u in (gpt, other)] == [
        ("gpt", "openai", 0, 3), ("spare", "mistral", 1, 1),
    ]  # fmt: skip
    assert (whole.turns, whole.calls, whole.cost_micros) == (1, 4, row["cost_micros"])
    assert (gpt.cost_micros + other.cost_micros, other.cost_micros) == (row["cost_micros"], answered["picos"] // 10**6)
    assert whole.prompt_tokens == row["prompt_tokens"] == gpt.prompt_tokens + other.prompt_tokens
    assert [(asked.model, asked.turns, asked.in_vain) for asked in in_vain] == [("gpt", 1, 1)]
    [shown] = [t.asked_in_vain for t in await installation.tenants(town.database) if t.name == "acme"]
    assert shown == in_vain


async def test_what_came_of_models_that_gave_no_answer_is_on_the_bill_of_the_apology(
    town: Rig, spare: StubModel
) -> None:
    await employ(town, spare)
    town.model.fault("blank", times=3)
    spare.fault("401")
    await town.slack.say("hello")
    assert "not responding" in (await town.replies(1, timeout=60))[0]
    (row,) = await ledger(town)
    assert row["calls"] == 4
    assert row["cost_micros"] > 0
    assert not row["answered"]
    assert in_replies(town) == [0]
    async with town.database.tenant(tenant_id("acme")) as connection:
        assert [asked.model for asked in await usage.asked_in_vain(connection)] == ["gpt", "spare"]


async def test_a_call_that_was_given_up_because_more_was_said_is_paid_for(town: Rig, spare: StubModel) -> None:
    await employ(town, spare)
    await ask_in_vain(town)
    await town.slack.say("are you there?")
    await town.replies(1, timeout=60)
    (row,) = await ledger(town)
    assert row["calls"] == 2
    given_up, answered = row["each_call"]
    assert given_up["estimated"]
    assert given_up["prompt_tokens"] > 0
    assert row["cost_micros"] == (given_up["picos"] + answered["picos"] + 999_999) // 1_000_000


async def test_a_model_that_nobody_waited_for_any_more_was_not_asked_in_vain(town: Rig, spare: StubModel) -> None:
    await employ(town, spare)
    await ask_in_vain(town)
    conversation = conversation_id(tenant_id("acme"), "slack", f"{APP.team}:D0ALICE:")
    spoken = Inbound(
        tenant_id("acme"), "slack", "1.1:operator", conversation, shard_of(conversation),
        Address(APP.team, "D0ALICE", private=True), "U0BEN", "I'll take this one.", "1.1", kind="operator",
    )  # fmt: skip
    town.wake([heard for heard in await turns.hear(town.database, [spoken]) if heard])
    (row,) = await ledger(town)
    assert (row["calls"], row["answered"]) == (1, False)
    async with town.database.tenant(tenant_id("acme")) as connection:
        assert await usage.asked_in_vain(connection) == []


async def test_a_local_model_costs_nothing_unless_the_installation_says_so(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("local/stub: {input: 1, output: 3}\n")
    chosen: dict[str, object] = {"prices_file": str(tmp_path / "prices.yaml")}
    async with rig(database_url, tmp_path, chosen=chosen) as town:
        await town.slack.say("hello")
        await town.replies(1, timeout=60)
        (row,) = await ledger(town)
        assert row["cost_micros"] == at(row, 1, 3) > 0
        assert row["provider"] == "local"

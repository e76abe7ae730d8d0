"""Two tenants on one host, one of them flooding: who is next, what waits, what is refused, and that nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from actors import office
from deployments.webhooks import TENANT_QUEUE, Intake
from konstruct import tenant_file
from konstruct.database import hosting, tenants
from konstruct.errors import TooManyAtOnce
from konstruct.failpoints import disarmed
from konstruct.identity import conversation_id, shard_of, tenant_id
from konstruct.limits import TOO_FAST
from konstruct.messages import Address, Inbound
from konstruct.metrics import Unmeasured
from konstruct.vault import Vault
from simulator import App
from tests.rig import APP, TENANT, Rig, apply, rig

OTHER = App(
    team="T0GLOBEX", app="A0GLOBEX", bot_user="U0GUS", bot_token="xoxb-globex", signing_secret="test-secret-globex"
)  # fmt: skip
SLOTS, FLOOD = 4, 100
ACME, GLOBEX = tenant_id("acme"), tenant_id("globex")


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(office, "TURNS_AT_ONCE", SLOTS)
    monkeypatch.setattr(office, "TURNS_OF_A_TENANT", SLOTS)
    async with rig(database_url, tmp_path, apps=(APP, OTHER)) as running:
        await apply(running, "globex", OTHER)
        yield running


async def limit(k: Rig, limits: str) -> None:
    text = TENANT.format(tenant="acme", app=APP, quiet=0) + f"limits: {limits}\n"
    assert await tenants.apply_tenant(k.database, tenant_file.parse(text, {}), Vault(k.settings.master_keys))


def asked(k: Rig) -> list[str]:
    return [request["messages"][-1]["content"] for request in k.model.requests]


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.02)


def states(url: str) -> list[str]:
    with psycopg.connect(url) as owner:
        return [row[0] for row in owner.execute("select state from inbox order by id").fetchall()]


async def test_a_flood_of_a_hundred_is_passed_by_the_other_tenant_and_all_are_answered(k: Rig) -> None:
    # So long that all of the flood, and the other tenant's question too, has come before the first slots are free.
    k.model.fault("delay", times=2 * SLOTS, seconds=3)
    said = [k.slack.say(f"flood {n}", channel=f"D0FLOOD{n}", user=f"U0FLOOD{n}") for n in range(FLOOD)]
    assert {answer.status for answer in await asyncio.gather(*said)} == {200}
    await k.slack.say("a calm question", channel="D0CALM", user="U0CALM", team=OTHER.team)
    await until(lambda: "a calm question" in asked(k))
    # Among the first for whom a slot became free; these ask the model in any order.
    assert asked(k).index("a calm question") < 2 * SLOTS
    await until(lambda: len(asked(k)) == FLOOD + 1)
    assert sorted(asked(k)) == sorted([*(f"flood {n}" for n in range(FLOOD)), "a calm question"])


def order_of_arrival(url: str) -> list[int]:
    """Inbox ids in the order in which history holds the messages."""
    with psycopg.connect(url) as owner:
        rows = owner.execute(
            "select i.id from messages m join inbox i on i.tenant_id = m.tenant_id and i.turn_id = m.turn_id"
            " and i.event like '%%' || m.source_id || '%%' where m.role = 'contact' order by m.conversation_id, m.id"
        ).fetchall()
    return [row[0] for row in rows]


async def test_a_hot_conversation_holds_one_slot_and_its_neighbours_are_answered(k: Rig, database_url: str) -> None:
    k.model.fault("delay", times=50, seconds=0.3)
    hot = [asyncio.create_task(k.slack.say(f"hot {n}", channel="D0HOT", user="U0HOT")) for n in range(50)]
    await until(lambda: k.model.running)
    await k.slack.say("a neighbour's question", channel="D0CALM", user="U0CALM")
    assert await k.replies(1, "D0CALM") == ["You said: a neighbour's question"]
    await asyncio.gather(*hot)
    await until(lambda: "hot 49" in "".join(asked(k)))
    assert sum("hot" in question for question in asked(k)) <= 10, "what came together is answered together"
    await until(lambda: "waiting" not in states(database_url))
    hot_ones = [id_ for id_ in order_of_arrival(database_url) if id_ in in_one_conversation(database_url, 50)]
    assert len(hot_ones) == 50
    assert hot_ones == sorted(hot_ones)


def in_one_conversation(url: str, messages: int) -> set[int]:
    with psycopg.connect(url) as owner:
        [found] = owner.execute(
            "select array_agg(id) from inbox group by conversation_id having count(*) = %s", [messages]
        ).fetchall()
    return set(found[0])


async def test_a_contact_that_writes_too_fast_is_told_once_and_read_all_the_same(k: Rig, database_url: str) -> None:
    await limit(k, "{contact_messages_per_minute: 2}")
    for n in range(3):
        await k.slack.say(f"message {n}")
        await k.replies(n + 1)
    await k.slack.say("message 3")
    await until(lambda: "suppressed" in states(database_url))
    assert await k.texts() == ["You said: message 0", "You said: message 1", TOO_FAST]
    assert states(database_url) == ["answered"] * 3 + ["suppressed"]
    await k.slack.say("hello", channel="D0BOB", user="U0BOB")
    assert await k.replies(1, "D0BOB") == ["You said: hello"]


async def test_what_a_tenant_is_over_its_limit_waits_and_is_answered_when_the_limit_is_lifted(
    k: Rig, database_url: str
) -> None:
    await limit(k, "{answers_per_minute: 1}")
    await k.slack.say("first")
    await k.replies(1)
    await k.slack.say("second", channel="D0BOB", user="U0BOB")
    await k.slack.say("from elsewhere", channel="D0CALM", user="U0CALM", team=OTHER.team)
    await until(lambda: "from elsewhere" in asked(k))
    [parts] = k.hosts
    await until(lambda: parts.host._turns.waiting == 1)
    assert "second" not in asked(k)
    assert states(database_url).count("waiting") <= 2
    await limit(k, "{answers_per_minute: null}")
    await asyncio.sleep(5)  # a changed configuration is read by then
    await k.slack.say("third", channel="D0CAROL", user="U0CAROL")
    assert await k.replies(1, "D0BOB") == ["You said: second"]


def inbound(tenant: str, number: int) -> Inbound:
    id_ = tenant_id(tenant)
    place = conversation_id(id_, "slack", f"D0{number}")
    address = Address("T0", f"D0{number}", private=True)
    return Inbound(id_, "slack", f"{tenant}:{number}", place, shard_of(place), address, "U0", "hi", str(number))


async def test_the_sweep_finds_the_others_behind_a_flood(k: Rig) -> None:
    k.deaf = True
    [parts] = list(k.hosts)
    await k.crash_host(parts)
    intake = Intake(k.database, k.wake, Unmeasured(), disarmed)
    for start in range(0, 2400, 400):
        await intake.hear(*(inbound("acme", start + n) for n in range(400)))
    await intake.hear(inbound("globex", 1))
    found = await hosting.waiting(k.database, 0, timedelta(0))
    assert len(found) == 2000
    assert [tenant for tenant, _, _ in found[:2]].count(GLOBEX) == 1


async def test_of_a_flood_that_postgresql_cannot_take_the_rest_is_refused_and_the_other_tenant_is_not(
    k: Rig, database_url: str
) -> None:
    await k.stop_host(k.hosts[0])  # else it would go on answering them for as long as it may take to drain
    intake = Intake(k.database, k.wake, Unmeasured(), disarmed)
    with psycopg.connect(database_url) as owner:
        owner.execute("lock table inbox in access exclusive mode")
        flood = [asyncio.create_task(intake.hear(inbound("acme", n))) for n in range(TENANT_QUEUE + 100)]
        await asyncio.sleep(0)
        other = asyncio.create_task(intake.hear(inbound("globex", 1)))
        await asyncio.sleep(0.1)
        assert not other.done()
        owner.rollback()
        await other
        outcomes = await asyncio.gather(*flood, return_exceptions=True)
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert 0 < len(refused) <= 100
    assert all(isinstance(outcome, TooManyAtOnce) for outcome in refused)
    with psycopg.connect(database_url) as owner:
        [[stored]] = owner.execute("select count(*) from inbox where tenant_id = %s", [ACME]).fetchall()
    assert stored == len(outcomes) - len(refused), "what was acknowledged is there"

"""What PostgreSQL refuses is one message's misfortune: its neighbours in the commit are heard, and it is kept."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from deployments.webhooks import Intake
from konstruct.database.pool import Database
from konstruct.errors import DatabaseUnavailable, Unstorable
from konstruct.failpoints import disarmed
from konstruct.identity import conversation_id, shard_of, tenant_id
from konstruct.messages import Address, Heard, Inbound
from konstruct.metrics import Unmeasured

ACME, GLOBEX = tenant_id("acme"), tenant_id("globex")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    with psycopg.connect(database_url) as owner:
        for tenant, name in ((ACME, "acme"), (GLOBEX, "globex")):
            owner.execute("insert into tenants (id, name) values (%s, %s)", [tenant, name])
        # Somebody of globex was forgotten: from now on, SQL looks at the time of what it hears.
        owner.execute("insert into tombstones (tenant_id, digest, erased_at) values (%s, 'x', now())", [GLOBEX])
    database = Database(database_url)
    await database.start()
    yield database
    await database.stop()


def message(number: int, tenant: UUID, **changes: Any) -> Inbound:
    place = conversation_id(tenant, "slack", "D0")
    address = Address("T0", "D0", private=True)
    said = Inbound(tenant, "slack", str(number), place, shard_of(place), address, "U0", f"hello {number}", str(number))
    return replace(said, **changes)


async def test_a_message_that_postgresql_refuses_keeps_no_other_tenant_out(
    database: Database, database_url: str
) -> None:
    woken: list[Heard] = []
    intake = Intake(database, woken.extend, Unmeasured(), disarmed)
    refused = message(3, GLOBEX, said_at=9e99)
    others = [message(number, ACME if number % 2 else GLOBEX) for number in (0, 1, 2, 5, 6)]
    await asyncio.gather(*(intake.hear(one) for one in (*others[:3], refused, *others[3:])))
    with psycopg.connect(database_url) as owner:
        stored = owner.execute("select event from inbox order by event").fetchall()
        kept = owner.execute("select channel, convert_from(body, 'UTF8') from malformed_events").fetchall()
    assert [event for (event,) in stored] == ["0", "1", "2", "5", "6"]
    assert sorted(one.text for one in woken) == [f"hello {number}" for number in (0, 1, 2, 5, 6)]
    [(channel, body)] = kept
    assert channel == "slack"
    assert "hello 3" in body


@pytest.mark.parametrize("changes", [{"said_at": 9e99}, {"event": "\0"}, {"shard": 2**40}])
async def test_what_is_its_own_fault_is_told_from_what_passes(database: Database, changes: dict[str, Any]) -> None:
    intake = Intake(database, lambda _: None, Unmeasured(), disarmed)
    with pytest.raises(Unstorable):
        await intake._inbox.add(message(1, GLOBEX, **changes))
    await database.stop()
    with pytest.raises(DatabaseUnavailable):
        await intake._inbox.add(message(1, GLOBEX, **changes))


async def test_what_comes_for_an_erased_tenant_is_kept_nowhere_and_keeps_nobody_out(
    database: Database, database_url: str
) -> None:
    intake = Intake(database, lambda _: None, Unmeasured(), disarmed)
    erased = message(2, tenant_id("erased"))
    await asyncio.gather(*(intake.hear(one) for one in (message(1, ACME), erased, message(3, GLOBEX))))
    with psycopg.connect(database_url) as owner:
        assert owner.execute("select event from inbox order by event").fetchall() == [("1",), ("3",)]
        assert owner.execute("select from malformed_events").fetchall() == []

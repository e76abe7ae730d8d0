"""Who acts is known inside a tenant's transaction, and nowhere else."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest_asyncio

from konstruct.database.pool import Database
from konstruct.identity import tenant_id

ACME = tenant_id("acme")
REMEMBERED = """create table who (tenant text, actor text, request text);
    grant insert on who to konstruct_app;
    create function remember() returns trigger language plpgsql as $$ begin
      insert into who values (current_setting('app.current_tenant'), current_setting('app.actor', true),
                              current_setting('app.request_id', true));
      return null; end $$;
    create trigger remembered after insert on tenants execute function remember()"""


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(REMEMBERED.encode())
    opened = Database(database_url, 1)
    await opened.start()
    yield opened
    await opened.stop()


async def save(database: Database, **who: Any) -> None:
    async with database.tenant(ACME, **who) as connection:
        await connection.run("save_tenant", name="acme", quiet_seconds=0, escalation={}, operators={})


async def test_actor_and_request_hold_for_their_transaction_only(database: Database, database_url: str) -> None:
    await save(database, actor="token:7f", request="r-1")
    await save(database)  # the same connection
    with psycopg.connect(database_url) as owner:
        assert list(owner.execute("select * from who")) == [
            (str(ACME), "token:7f", "r-1"),
            (str(ACME), "system", ""),
        ]

"""Whatever globex asks for with acme's own ids, it sees nothing of acme and changes nothing of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
import pytest_asyncio

from konstruct.database.pool import Database
from konstruct.errors import KonstructError
from tests.database.named_queries import QUERIES
from tests.database.rows_of_acme import ACME, CANARY, GLOBEX, REPLY, SAID, TRACES
from tests.database.two_tenants import ACROSS_TENANTS, ARGUMENTS, Town, found, parameters, settle
from tests.postgres import Server


@pytest.fixture(scope="module")
def settled(postgres_server: Server) -> Iterator[str]:
    """One database for all tests that leave acme as it is."""
    with postgres_server.database() as url:
        settle(url)
        yield url


@pytest_asyncio.fixture
async def town(settled: str) -> AsyncIterator[Town]:
    with psycopg.connect(settled, autocommit=True) as owner:
        owner.execute("update shards set epoch = 1, host = 0")
        # It may have erased itself, and then no trigger would let anybody have its name again.
        owner.execute("set session_replication_role = replica")
        found(owner, GLOBEX, "globex", "Gus")
    database = Database(settled, 2)
    await database.start()
    yield Town(settled, database)
    await database.stop()


@pytest_asyncio.fixture
async def own_town(database_url: str) -> AsyncIterator[Town]:
    settle(database_url)
    database = Database(database_url, 2)
    await database.start()
    yield Town(database_url, database)
    await database.stop()


@pytest.mark.parametrize("query", [name for name, _, _ in QUERIES])
async def test_globex_sees_and_changes_nothing_of_acme(town: Town, query: str) -> None:
    before = town.rows_of_acme()
    try:
        answer = repr(await town.ask(query, GLOBEX))
    except KonstructError as refused:
        # A refusal may name the ids that it was asked with, but nothing else.
        answer = str(refused).replace(str(REPLY), "")
    assert SAID not in answer
    if query not in ACROSS_TENANTS:
        assert not [trace for trace in TRACES if trace in answer]
    assert town.rows_of_acme() == before


@pytest.mark.parametrize(
    "query",
    [
        "activate",
        "channels",
        "conversation_of_tenant",
        "conversations_of_tenant",
        "history",
        "api_tokens",
        "ciphertexts",
        "employees",
        "memory_text",
        "models",
        "recall",
        "tenant",
    ],
)
async def test_acme_itself_does_see_its_rows_this_way(town: Town, query: str) -> None:
    """Without this, the test above could pass because its questions find nothing at all."""
    answer = repr(await town.ask(query, ACME))
    assert ("acme" if query == "tenant" else CANARY) in answer


async def test_whether_there_are_memories_is_told_to_their_tenant_only(town: Town) -> None:
    assert await town.ask("has_memories", ACME) is True
    assert await town.ask("has_memories", GLOBEX) is False


@pytest.mark.parametrize(
    "query",
    [
        "claim_reply",
        "mark_sent",
        "mark_meter_events",
        "claim_meter_events",
        "count_attempt",
        "record_external_id",
        "store_embeddings",
        "take_install_state",
        "disconnect_channel",
        "lease_refresh",
        "give_feedback",
        "pause_place",
        "store_refreshed",
        "rotate_channel",
        "rotate_answer",
        "retry_message",
        "discard_message",
        "revoke_api_token",
        "recognise_api_token",
        "save_member",
        "drop_member",
        "begin_session",
        "end_session",
        "end_sessions",
    ],
)
async def test_the_same_call_by_acme_does_change_rows(own_town: Town, query: str) -> None:
    before = own_town.rows_of_acme()
    await own_town.ask(query, ACME)
    assert own_town.rows_of_acme() != before


def test_every_parameter_of_every_query_is_covered() -> None:
    named = {parameter[1:] for _, text, _ in QUERIES for parameter in parameters(text)}
    assert named - {"tenant", "tenants"} <= set(ARGUMENTS), "give ARGUMENTS a value that would hit acme"


@pytest.mark.parametrize("afterwards", [False, True], ids=["never set", "after another tenant's transaction"])
def test_a_connection_without_a_tenant_sees_nothing(settled: str, *, afterwards: bool) -> None:
    with psycopg.connect(settled, autocommit=True) as connection:
        tables = [table for (table,) in connection.execute(TENANT_TABLES)]
        assert len(tables) >= 11
        connection.execute("set role konstruct_app")
        if afterwards:
            with connection.transaction():
                connection.execute("select set_config('app.current_tenant', %s, true)", [str(ACME)])
                assert connection.execute("select count(*) from messages").fetchone() == (1,)
        for table in tables:
            assert connection.execute(f"select count(*) from {table}").fetchone() == (0,), table


TENANT_TABLES = """select c.relname::text from pg_class c where c.relkind = 'r'
                   and c.relnamespace = 'public'::regnamespace and c.relrowsecurity"""


@pytest.mark.parametrize("given", ["", "not-a-uuid", "acme"])
def test_a_tenant_that_is_none_sees_nothing_or_fails(settled: str, given: str) -> None:
    with psycopg.connect(settled) as connection:
        connection.execute("set role konstruct_app")
        connection.execute("select set_config('app.current_tenant', %s, true)", [given])
        try:
            assert connection.execute("select count(*) from messages").fetchone() == (0,)
        except psycopg.errors.InvalidTextRepresentation:
            connection.rollback()


def test_nothing_can_be_written_for_another_tenant(settled: str) -> None:
    with psycopg.connect(settled) as connection:
        connection.execute("set role konstruct_app")
        connection.execute("select set_config('app.current_tenant', %s, true)", [str(GLOBEX)])
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute("insert into models values (%s, 'gift', 'x/y', null, null)", [ACME])


async def test_requests_of_many_tenants_in_one_pool_never_mix(town: Town) -> None:
    async def look(n: int) -> None:
        tenant, name = ((ACME, "acme"), (GLOBEX, "globex"))[n % 2]
        if n % 5 == 0:
            assert await town.database.run("tenant") is None
        async with town.database.tenant(tenant) as connection:
            assert (await connection.run("tenant"))["name"] == name
            if n % 7 == 0:
                await asyncio.sleep(0)
            assert {row["name"] == CANARY for row in await connection.run("employees")} == {tenant == ACME}

    await asyncio.gather(*(look(n) for n in range(300)))

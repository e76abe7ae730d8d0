"""Every route with every id of another tenant, generated from the OpenAPI file: not there, and nothing happens."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from konstruct.database import api_tokens
from konstruct.database.pool import Database
from tests.admin_rig import ADMIN_TOKEN, AdminRig, Answer, asking
from tests.database.admin_operations import INSTALLATIONS, MAKING, Operation, operations
from tests.database.rows_of_acme import ACME, CANARY, GLOBEX, SAID, TRACES
from tests.database.two_tenants import Town, settle
from tests.postgres import Server
from tests.rig import Rig, ingress, settings_for

ALL = operations()
WITH_TENANT = [operation for operation in ALL if "{tenant}" in operation.path]
NAMING = [operation for operation in WITH_TENANT if operation.names_more_than_a_tenant]
LISTS = [operation for operation in ALL if not operation.writes and not operation.names_more_than_a_tenant]
USED: dict[str, list[Any]] = {"api_tokens": [], "audit_events": []}  # that a token of acme's own was used
shared = pytest.mark.asyncio(loop_scope="module")


class Place(AdminRig):
    """acme with a row in every table, globex that asks."""

    town: Town
    tokens: dict[str, str]

    async def try_(self, operation: Operation, tenant: str, token: str | None) -> Answer:
        return await self.ask(operation.at(tenant), operation.method, token=token, body=operation.body)


async def opened(url: str, home: Path) -> AsyncIterator[Place]:
    settle(url)
    with psycopg.connect(url) as owner:
        owner.execute("update members set email = email || '@example.com'")
    database = Database(url, 4)
    await database.start()
    nothing: Any = None
    rig = Rig(settings_for(url, home, admin_token=ADMIN_TOKEN), database, nothing, nothing)
    async with ingress(rig) as rig.url, asking() as session:
        place = Place(rig, session)
        place.town, place.tokens = Town(url, database), {}
        for tenant, name in ((ACME, "acme"), (GLOBEX, "globex")):
            for role in ("viewer", "owner"):
                async with database.tenant(tenant) as connection:
                    made, _ = await api_tokens.make(connection, role, role, "test", 1)
                place.tokens[f"{role} of {name}"] = made
        yield place
    await database.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def k(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One for all tests that leave acme as it is."""
    with postgres_server.database() as url:
        async for place in opened(url, tmp_path_factory.mktemp("admin")):
            yield place


@pytest_asyncio.fixture
async def own(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    async for place in opened(database_url, tmp_path):
        yield place


def told(answer: Answer, operation: Operation) -> list[str]:
    """Traces of acme in the answer that were not in the question."""
    text = answer.text
    for asked in operation.at("acme").split("/"):
        text = text.replace(asked, "") if any(trace in asked for trace in TRACES) else text
    return [trace for trace in (*TRACES, SAID) if trace in text]


@shared
@pytest.mark.parametrize("operation", WITH_TENANT, ids=str)
async def test_a_foreign_tenant_is_not_there(k: Place, operation: Operation) -> None:
    before = k.town.rows_of_acme()
    foreign = await k.try_(operation, "acme", k.tokens["owner of globex"])
    nobodys = await k.try_(operation, "nobody", k.tokens["owner of globex"])
    assert foreign.status == nobodys.status == 404
    assert {**foreign.body, "request_id": ""} == {**nobodys.body, "request_id": ""}
    assert told(foreign, operation) == []
    assert k.town.rows_of_acme() == before


@shared
@pytest.mark.parametrize("operation", [one for one in NAMING if one.name not in MAKING], ids=str)
async def test_a_foreign_id_in_the_own_tenant_is_not_there(k: Place, operation: Operation) -> None:
    before = k.town.rows_of_acme()
    answer = await k.try_(operation, "globex", k.tokens["owner of globex"])
    assert answer.status == 404, answer.text
    assert told(answer, operation) == []
    assert k.town.rows_of_acme() == before


@shared
@pytest.mark.parametrize("operation", LISTS, ids=str)
async def test_lists_hold_nothing_of_others(k: Place, operation: Operation) -> None:
    answer = await k.try_(operation, "globex", k.tokens["owner of globex"])
    assert answer.status in {200, 403}
    assert told(answer, operation) == []


@shared
@pytest.mark.parametrize("operation", ALL, ids=str)
async def test_without_a_token_nothing_is_there_to_see(k: Place, operation: Operation) -> None:
    assert (await k.try_(operation, "acme", None)).status == 401


@shared
@pytest.mark.parametrize("operation", [one for one in WITH_TENANT if one.writes], ids=str)
async def test_who_may_read_may_not_write(k: Place, operation: Operation) -> None:
    before = k.town.rows_of_acme()
    assert (await k.try_(operation, "acme", k.tokens["viewer of acme"])).status == 403
    assert {**k.town.rows_of_acme(), **USED} == {**before, **USED}


@shared
@pytest.mark.parametrize("operation", [one for one in NAMING if one.name in MAKING], ids=str)
async def test_what_is_made_under_a_name_that_another_tenant_uses_is_ones_own(k: Place, operation: Operation) -> None:
    before = k.town.rows_of_acme()
    answer = await k.try_(operation, "globex", k.tokens["owner of globex"])
    assert answer.status == 200
    assert told(answer, operation) == []
    assert {**k.town.rows_of_acme(), **USED} == {**before, **USED}


@shared
@pytest.mark.parametrize("operation", [one for one in WITH_TENANT if not one.writes], ids=str)
async def test_acme_itself_does_see_it_this_way(k: Place, operation: Operation) -> None:
    """Without this, the tests above could pass because their questions find nothing at all."""
    answer = await k.try_(operation, "acme", k.tokens["owner of acme"])
    assert answer.status == 200, answer.text
    if operation.name in {"list_employees", "list_messages", "list_channels", "list_members"}:
        assert CANARY in answer.text


@pytest.mark.parametrize("operation", [one for one in WITH_TENANT if one.writes], ids=str)
async def test_acme_itself_does_change_it_this_way(own: Place, operation: Operation) -> None:
    whose = ADMIN_TOKEN if operation.name in INSTALLATIONS else own.tokens["owner of acme"]
    answer = await own.try_(operation, "acme", whose)
    assert answer.status not in {401, 403, 404, 405, 500}, answer.text

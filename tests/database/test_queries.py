"""The named queries: each described, prepared by PostgreSQL as the application, and used exactly once."""

import re

import aiosql
import asyncpg
import pytest

from tests.database.named_queries import NAMES, QUERIES, ROOT


@pytest.mark.parametrize(("name", "text", "file"), QUERIES, ids=NAMES)
def test_a_named_query_is_described(name: str, text: str, file: str) -> None:
    assert text.startswith("-- "), f"{file}: {name} is not described"
    assert re.match(r"[a-z_]+$", name)


@pytest.mark.parametrize("name", NAMES)
async def test_a_named_query_can_be_prepared_by_the_application(database_url: str, name: str) -> None:
    queries = aiosql.from_path(ROOT / "schema" / "queries", "asyncpg", mandatory_parameters=False)
    connection = await asyncpg.connect(database_url, server_settings={"role": "konstruct_app"})
    try:
        await connection.prepare(getattr(queries, name).sql)
    finally:
        await connection.close()


def test_every_named_query_is_used_exactly_once() -> None:
    code = "\n".join(
        path.read_text() for folder in ("konstruct", "actors", "deployments") for path in (ROOT / folder).rglob("*.py")
    )
    used = re.findall(r"\.run\(\s*\"(\w+)\"", code)
    assert sorted(used) == sorted(NAMES)
    assert len(set(NAMES)) == len(NAMES)

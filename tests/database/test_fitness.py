"""What the application refuses to run on, and what it must run on."""

from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest

from konstruct.database import migrate, pool
from konstruct.database.pool import Database
from konstruct.errors import DatabaseUnfit
from tests.postgres import Server

HALF_A_POLICY = """drop policy models_by_tenant on models;
                   create policy models_by_tenant on models for select using (tenant_id = current_tenant())"""


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
        (
            "alter policy usage_by_tenant on usage with check (true)",
            "select 1",
            "usage",
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
        "a policy that checks nothing",
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
            # Whoever comes now is told so with the first query, whether or not it checks first.
            await database.stop()
            await database.start()
            for _ in range(2):
                with pytest.raises(DatabaseUnfit, match=sentence):
                    await database.run("tenant_names")
            with pytest.raises(DatabaseUnfit, match=sentence):
                async with database.tenant(UUID(int=1)):
                    pytest.fail("a transaction began")
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
    assert 170005 in pool.LEAKING_VERSIONS
    assert 170006 not in pool.LEAKING_VERSIONS


async def test_an_owner_without_superuser_rights_can_migrate_and_the_application_runs(
    postgres_server: Server,
) -> None:
    """What managed PostgreSQL gives its customers: a role that may create roles, and a database."""
    postgres_server.execute("create role landlord login createrole")
    with postgres_server.database("template0") as url:
        address = urlsplit(url)
        as_landlord = address._replace(netloc="landlord:@").geturl()
        postgres_server.execute(f"alter database {address.path.strip('/')} owner to landlord")
        postgres_server.execute("create extension vector", address.path.strip("/"))
        # This server's superuser made our roles before; the landlord gets what making them would have given.
        for role in ("konstruct_app", "konstruct_lookup"):
            postgres_server.execute(f"grant {role} to landlord with admin true, inherit false, set false")
        migrate.apply(as_landlord)
        database = Database(as_landlord, 1)
        await database.start()
        await database.check_health()
        await database.stop()
    for role in ("konstruct_app", "konstruct_lookup"):
        postgres_server.execute(f"revoke {role} from landlord cascade")
    postgres_server.execute("drop role landlord")


async def test_every_column_of_bytes_is_known_to_be_encrypted_or_no_secret(database_url: str) -> None:
    """What the vault encrypts must be in the query `ciphertexts`: else `konstruct keys rotate` leaves it behind."""
    with psycopg.connect(database_url) as owner:
        columns = owner.execute(
            "select table_name || '.' || column_name from information_schema.columns"
            " where table_schema = 'public' and data_type = 'bytea'"
        ).fetchall()
    assert {column for (column,) in columns} == ENCRYPTED | NO_SECRET


ENCRYPTED = {"models.api_key", "channels.secrets", "idempotency_keys.answer"}
NO_SECRET = {
    "install_states.state",  # hashed
    "install_states.browser",  # hashed
    "api_tokens.sha256",
    "idempotency_keys.request",  # hashed
    "malformed_events.body",
    "audit_seals.hash",
    "audit_checkpoints.signature",
    "audit_anchors.mark",  # hashed with a key
    "audit_anchors.signature",
    "audit_keys.signature",
    "sessions.token",  # hashed
    "tombstones.digest",  # hashed
}

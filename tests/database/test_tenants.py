"""Tenants as operators apply them: repeatable, secret at rest, and with a fallback that answers."""

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from cryptography.fernet import Fernet

from deployments.installation.demo import DEMO_FILE
from konstruct import tenant_file
from konstruct.database import lookups, tenants
from konstruct.database.pool import Database
from konstruct.errors import KonstructError, SecretUnreadable
from konstruct.identity import tenant_id
from konstruct.tenant_file import TenantFile
from konstruct.vault import Vault
from tests.rig import rig
from tests.stub_model import StubModel

ACME, GLOBEX = tenant_id("acme"), tenant_id("globex")
SECRETS = {"KEY": "sk-planted-key", "TOKEN": "xoxb-planted-token", "SECRET": "planted-signing-secret"}
FILE = """
tenant: {tenant}
quiet_seconds: {quiet}
employee: {{name: {employee}, instructions: You help., model: {model}, fallback_model: local/stub}}
models:
  - {{name: gpt, litellm: openai/gpt-5-mini, api_base: "{api_base}", api_key: "${{KEY}}"}}
channels:
  slack: {{team_id: {team}, app_id: A0ACME, bot_user_id: U0BOT,
           bot_token: "${{TOKEN}}", signing_secret: "${{SECRET}}"}}
"""


def described(
    tenant: str = "acme", *, team: str = "T0ACME", quiet: float = 0, employee: str = "Ada",
    model: str = "gpt", api_base: str = "http://127.0.0.1:9/v1",
) -> TenantFile:  # fmt: skip
    text = FILE.format(tenant=tenant, team=team, quiet=quiet, employee=employee, model=model, api_base=api_base)
    return tenant_file.parse(text, SECRETS)


@pytest.fixture
def vault() -> Vault:
    return Vault((Fernet.generate_key().decode(),))


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, 2)
    await opened.start()
    yield opened
    await opened.stop()


def everything(url: str) -> str:
    with psycopg.connect(url) as owner:
        tables = ("tenants", "employees", "models", "channels")
        return "\n".join(
            repr(row) for table in tables for row in owner.execute(f"select * from {table} order by 1, 2".encode())
        )


@pytest.mark.parametrize("quiet", [0, 0.1, 2.5, 60])
async def test_applying_the_same_file_twice_changes_nothing(
    database: Database, database_url: str, vault: Vault, quiet: float
) -> None:
    assert await tenants.apply_tenant(database, described(quiet=quiet), vault) is True
    before = everything(database_url)
    assert await tenants.apply_tenant(database, described(quiet=quiet), vault) is False
    assert everything(database_url) == before


async def test_the_demo_tenant_applied_again_is_unchanged_whatever_the_order_of_its_channels(
    database: Database, vault: Vault
) -> None:
    names = ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "WA_TOKEN", "WA_APP_SECRET", "WA_VERIFY_TOKEN", "WEB_SECRET")
    demo = tenant_file.parse(DEMO_FILE.read_text(), {name: f"{name}-is-a-made-up-secret" for name in names})
    assert [await tenants.apply_tenant(database, demo, vault) for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    "change",
    [
        {"employee": "Bea"},
        {"quiet": 1},
        {"model": "local/stub"},
        {"team": "T0NEW"},
        {"api_base": "http://x/v1"},
    ],
)
async def test_a_changed_file_is_applied_whole_and_leaves_nothing_old_behind(
    database: Database, database_url: str, vault: Vault, change: dict[str, object]
) -> None:
    await tenants.apply_tenant(database, described(), vault)
    changed = described(**change)  # type: ignore[arg-type]
    assert await tenants.apply_tenant(database, changed, vault) is True
    row = await tenants.read_tenant(database, ACME, vault)
    assert row is not None
    assert [employee["name"] for employee in row.employees.values()] == [changed.employee.name]
    assert [channel.team for channel in row.channels] == [changed.channels.slack and changed.channels.slack.team_id]
    assert await tenants.apply_tenant(database, changed, vault) is False


async def test_no_secret_can_be_read_in_the_database(database: Database, database_url: str, vault: Vault) -> None:
    await tenants.apply_tenant(database, described(), vault)
    stored = everything(database_url)
    assert "gpt-5-mini" in stored
    assert "planted" not in stored
    row = await tenants.read_tenant(database, ACME, vault)
    assert row is not None
    assert row.models["gpt"].api_key == "sk-planted-key"
    assert row.channels[0].secrets["bot_token"] == "xoxb-planted-token"


async def test_secrets_moved_to_another_tenants_rows_stay_shut(
    database: Database, database_url: str, vault: Vault
) -> None:
    await tenants.apply_tenant(database, described(), vault)
    await tenants.apply_tenant(database, described("globex", team="T0GLOBEX"), vault)
    with psycopg.connect(database_url) as owner:
        for table, column in (("models", "api_key"), ("channels", "secrets")):
            owner.execute(
                f"update {table} set {column} = (select {column} from {table} where tenant_id = %s)"
                " where tenant_id = %s".encode(),
                [ACME, GLOBEX],
            )
    with pytest.raises(SecretUnreadable):
        await tenants.read_tenant(database, GLOBEX, vault)
    with pytest.raises(SecretUnreadable):
        await lookups.find_channels(database, "slack", "A0ACME", "T0GLOBEX", vault)


async def test_with_a_lost_master_key_applying_the_file_again_is_the_way_out(database: Database, vault: Vault) -> None:
    await tenants.apply_tenant(database, described(), vault)
    new = Vault((Fernet.generate_key().decode(),))
    with pytest.raises(SecretUnreadable):
        await tenants.read_tenant(database, ACME, new)
    assert await tenants.apply_tenant(database, described(), new) is True
    assert await tenants.apply_tenant(database, described(), new) is False


async def test_a_workspace_of_another_tenant_cannot_be_taken_and_the_refusal_is_a_sentence(
    database: Database, database_url: str, vault: Vault
) -> None:
    await tenants.apply_tenant(database, described(), vault)
    before = everything(database_url)
    with pytest.raises(KonstructError) as refused:
        await tenants.apply_tenant(database, described("globex"), vault)
    assert everything(database_url) == before
    assert "T0ACME" in str(refused.value)
    assert "duplicate key" not in str(refused.value)


async def test_errors_of_postgresql_do_not_repeat_the_rows_they_are_about(database: Database, vault: Vault) -> None:
    """PostgreSQL adds "DETAIL: Failing row contains (…)": contents of messages, in logs and dead letters."""
    with pytest.raises(KonstructError) as refused:
        async with database.tenant(ACME) as connection:
            await connection.run("save_tenant", name="planted-canary", quiet_seconds=99.0, escalation={}, operators={})
    assert "planted" not in str(refused.value)


async def test_tenants_do_not_see_each_other(database: Database, vault: Vault) -> None:
    await tenants.apply_tenant(database, described(), vault)
    assert await tenants.read_tenant(database, GLOBEX, vault) is None


@pytest.mark.parametrize("fault", ["401", "500", "empty"])
async def test_where_the_hosted_model_fails_the_fallback_answers(database_url: str, tmp_path: Path, fault: str) -> None:
    async with rig(database_url, tmp_path) as k, StubModel(reply=lambda _: "from the hosted model") as hosted:
        vault = Vault(k.settings.master_keys)
        with_model = described(api_base=hosted.url)
        assert with_model.channels.slack is not None
        slack = with_model.channels.slack.model_copy(
            update={"bot_token": k.slack.apps[0].bot_token, "signing_secret": k.slack.apps[0].signing_secret}
        )
        channels = with_model.channels.model_copy(update={"slack": slack})
        await tenants.apply_tenant(k.database, with_model.model_copy(update={"channels": channels}), vault)
        hosted.fault(fault, times=20)
        await k.slack.say("hello")
        assert await k.replies(1, timeout=60) == ["You said: hello"]
        assert hosted.calls >= 1
        assert hosted.headers[-1]["Authorization"] == "Bearer sk-planted-key"

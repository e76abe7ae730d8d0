"""Secrets move to a new master key: all of them, whatever is written meanwhile and wherever it is killed."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from cryptography.fernet import Fernet

from konstruct import key_rotation, tenant_file
from konstruct.database import tenants
from konstruct.database.pool import Database
from konstruct.errors import SecretUnreadable
from konstruct.identity import tenant_id
from konstruct.vault import Vault
from tests.admin_rig import konstruct
from tests.crash import CHECKOUT
from tests.oauth import ACME

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
TENANTS = ("acme", "globex", "initech")
SECRETS = ("signing-secret-of-", "xoxb-planted-token-of-", "app-secret-of-", "token-of-", "sk-planted-key-of-")
FILE = """
tenant: {name}
employee: {{name: Ada, instructions: x, model: gpt}}
models:
  - {{name: gpt, litellm: openai/gpt-5-mini, api_key: "sk-planted-key-of-{name}"}}
  - {{name: free, litellm: openai/free}}
channels:
  slack: {{team_id: T0{name}, app_id: A0, bot_user_id: U0, bot_token: "xoxb-planted-token-of-{name}",
          signing_secret: "signing-secret-of-{name}"}}
  whatsapp: {{phone_number_id: "{number}", access_token: "token-of-{name}-whatsapp", app_secret: "app-secret-of-{name}",
             verify_token: "verify-token-of-{name}"}}
"""


def file_of(name: str) -> str:
    return FILE.format(name=name, number=1065 + TENANTS.index(name))


@dataclass
class Town:
    """A database with three tenants whose secrets are encrypted with OLD."""

    url: str
    database: Database

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as owner:
            found = owner.execute(statement.encode())
            return found.fetchall() if found.description else []

    def ciphertexts(self) -> int:
        """Counted in every column of the database that may hold any, by what all of Fernet's begin with."""
        columns = self.rows(
            "select table_name::text, column_name::text from information_schema.columns"
            " where table_schema = 'public' and data_type = 'bytea'"
        )
        counts = [
            self.rows(f"select count(*) from {table} where substr({column}, 1, 5) = 'gAAAA'::bytea")[0][0]
            for table, column in columns
        ]
        return sum(counts)

    async def opens(self, *keys: str) -> bool:
        """Whether these keys open every secret, and it is the right one."""
        for name in TENANTS:
            row = await tenants.read_tenant(self.database, tenant_id(name), Vault(keys))
            assert row is not None
            assert row.models["gpt"].api_key == f"sk-planted-key-of-{name}"
            assert {c.secrets.get("signing_secret", c.secrets.get("app_secret")) for c in row.channels} == {
                f"signing-secret-of-{name}",
                f"app-secret-of-{name}",
            }
        return True


@pytest_asyncio.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    database = Database(database_url, 4)
    await database.start()
    for name in TENANTS:
        await tenants.apply_tenant(database, tenant_file.parse(file_of(name), {}), Vault((OLD,)))
    yield Town(database_url, database)
    await database.stop()


async def test_every_ciphertext_of_every_tenant_moves_to_the_new_key_and_the_old_one_may_go(town: Town) -> None:
    rotated = await key_rotation.rotate(town.database, Vault((NEW, OLD)))
    assert rotated.total == rotated.renewed == town.ciphertexts() == 9
    assert await town.opens(NEW)
    with pytest.raises(SecretUnreadable):
        await town.opens(OLD)
    again = await key_rotation.rotate(town.database, Vault((NEW, OLD)))
    assert (again.total, again.renewed) == (9, 0)


async def test_rotation_refuses_before_it_changes_anything_where_a_secret_does_not_open(town: Town) -> None:
    town.rows("update channels set secrets = 'gAAAA-damaged' where kind = 'whatsapp' and team = '1066'")
    with pytest.raises(SecretUnreadable, match="secrets of whatsapp 1066 of tenant globex.*KONSTRUCT_MASTER_KEYS"):
        await key_rotation.rotate(town.database, Vault((NEW, OLD)))
    kept = await key_rotation.examine(town.database, Vault((NEW, OLD)))
    assert sorted({one.key for one in kept}, key=str) == [1, None]
    with pytest.raises(SecretUnreadable, match="and 8 more"):
        await key_rotation.rotate(town.database, Vault((NEW,)))


async def test_answers_that_are_kept_for_a_day_move_too_and_lock_nothing(town: Town) -> None:
    keep = "insert into idempotency_keys (tenant_id, actor, key, request, answer) values"
    for key, vault in (("old", Vault((OLD,))), ("lost", Vault((Fernet.generate_key().decode(),)))):
        answer = vault.encrypt(ACME, "[200, null, '']").decode()
        town.rows(f"{keep} ('{ACME}', 'installation', '{key}', 'r', '{answer}')")
    rotated = await key_rotation.rotate(town.database, Vault((NEW, OLD)))
    assert (rotated.total, rotated.renewed) == (11, 10)
    ((answer,),) = town.rows("select answer from idempotency_keys where key = 'old'")
    assert Vault((NEW,)).decrypt(ACME, answer) == "[200, null, '']"


async def test_a_listing_shows_the_last_four_characters_and_no_more(town: Town) -> None:
    kept = await key_rotation.examine(town.database, Vault((OLD,)))
    shown = repr([(one, one.endings) for one in kept])
    assert not [secret for secret in SECRETS if secret in shown]
    assert {"api_key": "…cme"} not in [one.endings for one in kept]
    assert {"api_key": "…acme"} in [one.endings for one in kept]


async def test_ciphertexts_swapped_between_tenants_open_for_neither(town: Town) -> None:
    town.rows(
        "update models m set api_key = o.api_key from models o where o.api_key is not null and m.name = 'gpt'"
        f" and (m.tenant_id, o.tenant_id) in (('{ACME}', '{tenant_id('globex')}'), ('{tenant_id('globex')}', '{ACME}'))"
    )
    for name in ("acme", "globex"):
        with pytest.raises(SecretUnreadable, match=f"key of model gpt of tenant {tenant_id(name)}"):
            await tenants.read_tenant(town.database, tenant_id(name), Vault((NEW, OLD)))
    kept = await key_rotation.examine(town.database, Vault((OLD,)))
    assert [(one.tenant, one.what) for one in kept if one.key is None] == [
        ("acme", "The key of model gpt"),
        ("globex", "The key of model gpt"),
    ]


async def test_what_is_written_meanwhile_is_not_overwritten(town: Town) -> None:
    """Rounds race with an operator who applies other keys all the time; his last word counts."""
    both = Vault((NEW, OLD))

    async def apply() -> None:
        for number in range(30):
            text = file_of("acme").replace("sk-planted-key-of-acme", f"sk-{number}")
            vault = Vault((OLD, NEW)) if number % 2 else both
            await tenants.apply_tenant(town.database, tenant_file.parse(text, {}), vault)

    applying = asyncio.create_task(apply())
    while not applying.done():
        await key_rotation.rotate(town.database, both)
    await applying
    await key_rotation.rotate(town.database, both)
    row = await tenants.read_tenant(town.database, ACME, Vault((NEW,)))
    assert row is not None
    assert row.models["gpt"].api_key == "sk-29"


async def test_killed_at_any_moment_rotation_leaves_everything_readable_and_can_be_repeated(
    town: Town, tmp_path: Path, own_port: int
) -> None:
    ((was,),) = town.rows(f"select quote_literal(api_key) from models where tenant_id = '{ACME}' and name = 'gpt'")
    town.rows(
        "insert into models (tenant_id, name, litellm, api_key)"
        f" select '{ACME}', 'm' || n, 'x/y', {was} from generate_series(1, 400) n"
    )
    environment = {
        "KONSTRUCT_HOME": str(tmp_path),
        "KONSTRUCT_HTTP_PORT": str(own_port),
        "KONSTRUCT_ADMIN_TOKEN": "planted-token-of-the-owner",
        "KONSTRUCT_MASTER_KEYS": f"{NEW},{OLD}",
    }
    served = os.environ | environment | {"KONSTRUCT_DATABASE_URL": town.url}

    async def serve() -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "tests.ingress_process", str(own_port)]
        process = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT, env=served)
        while (await konstruct(environment, "keys", "list"))[0]:
            assert process.returncode is None
        return process

    async def moved() -> int:
        kept = await key_rotation.examine(town.database, Vault((NEW, OLD)))
        assert all(one.key is not None for one in kept)
        return sum(one.key == 0 for one in kept)

    killed_at = []
    for target in (1, 60, 150, 290):
        process = await serve()
        rotating = asyncio.create_task(konstruct(environment, "keys", "rotate"))
        enough = target + random.randrange(20)
        while town.rows(f"select count(*) < {enough} from models where api_key <> {was}") == [(True,)]:
            await asyncio.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        killed_at.append(await moved())
        code, said = await rotating
        assert (code, "does not answer" in said) == (1, True), said
        assert await town.opens(NEW, OLD)
    assert killed_at == sorted(killed_at) and killed_at[-1] < town.ciphertexts()
    process = await serve()
    code, said = await konstruct(environment, "keys", "rotate")
    assert code == 0 and f"{409 - killed_at[-1]} of 409 secrets encrypted anew" in said, said
    process.kill()
    await process.wait()
    assert await town.opens(NEW)

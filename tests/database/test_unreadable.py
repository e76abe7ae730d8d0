"""A secret that does not open: who needs it waits and says which; nobody else notices."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from konstruct.database import lookups, tenants
from konstruct.errors import SecretUnreadable
from konstruct.identity import tenant_id
from konstruct.vault import Vault
from tests.rig import APP, Rig, apply, rig

GLOBEX = replace(APP, team="T0GLOBEX", app="A0GLOBEX", signing_secret="test-secret-globex")


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path) as under_test:
        await apply(under_test, "globex", GLOBEX)
        yield under_test


def rows(k: Rig, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(k.settings.database_url or "", autocommit=True) as owner:
        found = owner.execute(statement.encode())
        return list(found.fetchall()) if found.description else []


async def test_a_message_waits_uncounted_until_the_tenants_secrets_open_again(k: Rig) -> None:
    rows(k, f"insert into models (tenant_id, name, litellm, api_key) select id, 'x', 'x/y', 'gAAAA' from tenants"
            f" where id = '{tenant_id('acme')}'")  # fmt: skip
    assert (await k.slack.say("hello")).status == 200
    await asyncio.sleep(1)
    assert rows(k, "select state, attempts from inbox") == [("waiting", 0)]
    rows(k, "delete from models")
    assert await k.replies(1) == ["You said: hello"]
    assert rows(k, "select state, attempts from inbox") == [("answered", 0)]


async def test_an_event_of_a_channel_whose_secrets_do_not_open_is_asked_for_again(k: Rig) -> None:
    rows(k, "update channels set secrets = 'gAAAA' where team = 'T0ACME'")
    assert (await k.slack.say("hello")).status == 503
    assert rows(k, "select count(*) from inbox") == [(0,)]


async def test_a_channel_whose_secrets_do_not_open_keeps_no_other_one_from_being_found(k: Rig) -> None:
    rows(k, "update channels set secrets = 'gAAAA' where team = 'T0GLOBEX'")
    rows(k, "update channels set options = '{\"socket_mode\": true}'")
    vault = Vault(k.settings.master_keys)
    found = await lookups.find_channels(k.database, "slack", "", "", vault)
    assert [channel.team for channel in found] == ["T0ACME"]
    assert [channel.team for channel in await lookups.socket_channels(k.database, vault)] == ["T0ACME"]
    with pytest.raises(SecretUnreadable, match="secrets of slack T0GLOBEX of tenant"):
        await lookups.find_channels(k.database, "slack", "A0GLOBEX", "T0GLOBEX", vault)


async def test_where_no_candidate_opens_the_request_is_not_called_forged(k: Rig) -> None:
    rows(k, "update channels set secrets = 'gAAAA'")
    with pytest.raises(SecretUnreadable):
        await lookups.find_channels(k.database, "slack", "", "", Vault(k.settings.master_keys))


async def test_secrets_swapped_between_two_tenants_in_the_database_open_for_neither(k: Rig) -> None:
    rows(k, "update channels c set secrets = o.secrets from channels o where o.tenant_id <> c.tenant_id")
    for name in ("acme", "globex"):
        with pytest.raises(SecretUnreadable, match="another tenant's"):
            await tenants.read_tenant(k.database, tenant_id(name), Vault(k.settings.master_keys))

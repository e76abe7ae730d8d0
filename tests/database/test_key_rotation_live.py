"""Secrets move to a new master key while messages flow and Slack's tokens are renewed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import psycopg
import pytest_asyncio
from cryptography.fernet import Fernet

from konstruct import key_rotation
from konstruct.channels.slack import Client
from konstruct.database import installs
from konstruct.token_rotation import TokenRotation
from konstruct.vault import Vault
from tests.crash import Load
from tests.oauth import OURS, SETTINGS, channel, install
from tests.rig import Rig, rig

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    """An installation that encrypts with OLD and knows NEW already."""
    chosen = SETTINGS | {"master_keys": (OLD, NEW)}
    async with rig(database_url, tmp_path, chosen=chosen, clients=[OURS]) as under_test:
        yield under_test


async def test_messages_flow_while_keys_rotate_to_and_fro(k: Rig) -> None:
    load = Load(k)
    talking = asyncio.gather(*(load.talk(f"D0{n}", 12, 0.02) for n in range(4)))
    rounds = 0
    while not talking.done():
        await key_rotation.rotate(k.database, Vault(((NEW, OLD), (OLD, NEW))[rounds % 2]))
        rounds += 1
    await talking
    assert rounds > 2
    verdict = await load.verdict()
    assert verdict.clean, verdict
    assert sum(map(len, load.said.values())) == 48


async def test_tokens_got_from_slack_are_kept_although_their_channel_was_encrypted_anew_meanwhile(k: Rig) -> None:
    """A refresh token is good for one use: what comes for it must not be lost."""
    k.slack.set_options(token_rotation=True)
    assert (await install(k))[0] == 200
    row = await channel(k)
    vault = Vault((OLD, NEW))
    leased = await installs.lease(k.database, row, vault, timedelta(days=1))
    assert leased is not None
    assert (await key_rotation.rotate(k.database, Vault((NEW, OLD)))).renewed >= 2
    got = leased.secrets | {"bot_token": "xoxe-new", "refresh_token": "xoxe-refresh"}
    assert await installs.store(k.database, leased, got, 43_200, vault) == replace(leased, secrets=got)
    assert (await channel(k)).secrets["bot_token"] == "xoxe-new"
    assert await installs.store(k.database, leased, got, 43_200, vault) is None


async def test_tokens_are_renewed_while_keys_rotate(k: Rig) -> None:
    k.slack.set_options(token_rotation=True)
    assert (await install(k))[0] == 200
    seen = {(await channel(k)).secrets["refresh_token"]}
    async with aiohttp.ClientSession() as session:
        for number in range(10):
            with psycopg.connect(k.settings.database_url or "", autocommit=True) as owner:
                owner.execute("update channels set expires_at = now() where installed_by = 'oauth'")
            client = Client("1.2", "planted-client-secret")
            rotation = TokenRotation(k.database, Vault((OLD, NEW)), session, k.slack.url, client)
            renewing = asyncio.create_task(rotation.fresh(await channel(k)))
            turn = number
            while not renewing.done():
                await key_rotation.rotate(k.database, Vault(((NEW, OLD), (OLD, NEW))[turn % 2]))
                turn += 1
            seen.add((await renewing).secrets["refresh_token"])
            assert (await channel(k)).secrets == (await renewing).secrets
    assert len(seen) == 11

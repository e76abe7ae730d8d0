"""Installations of an app by OAuth: how they begin, what they leave behind, how they end, and tokens that expire."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from konstruct.database.pool import Database, TenantConnection
from konstruct.database.tenants import ChannelRow, employees_of
from konstruct.errors import UnknownTenant
from konstruct.vault import Vault

STATE_SECONDS = 600.0
LEASE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation left behind. `seconds`: how long its token holds, None for ever."""

    kind: str
    app: str
    team: str
    account: str
    secrets: dict[str, str] = field(repr=False)
    options: dict[str, Any]
    seconds: int | None = None


async def begin(database: Database, tenant: UUID, state: str, browser: str) -> None:
    """Remember, hashed, that an installation began in a browser. Raises UnknownTenant."""
    async with database.tenant(tenant) as connection:
        await _employee(connection)
        await connection.run(
            "save_install_state", state=_hashed(state), browser=_hashed(browser), seconds=STATE_SECONDS
        )


async def take(database: Database, tenant: UUID, state: str, browser: str) -> bool:
    """Whether this state began in this browser, lately; true once."""
    async with database.tenant(tenant) as connection:
        return bool(await connection.run("take_install_state", state=_hashed(state), browser=_hashed(browser)))


async def save(database: Database, tenant: UUID, installed: Installed, vault: Vault) -> None:
    """Make the channel what the installation says, new or again. Raises UnknownTenant or AlreadyTaken."""
    async with database.tenant(tenant) as connection:
        employee = await _employee(connection)
        await connection.run(
            "save_installation",
            kind=installed.kind,
            app=installed.app,
            team=installed.team,
            employee=employee,
            account=installed.account,
            secrets=vault.encrypt(tenant, json.dumps(installed.secrets)),
            options=installed.options,
            seconds=installed.seconds,
        )


async def disconnect(
    database: Database | TenantConnection, channel: ChannelRow, at: float, accounts: Sequence[str]
) -> bool:
    """The app is gone since `at` (Unix seconds): nothing more is sent. False if it was installed again since."""
    return bool(
        await database.run(
            "disconnect_channel",
            tenant=channel.tenant,
            kind=channel.kind,
            app=channel.app,
            team=channel.team,
            at=datetime.fromtimestamp(at, UTC),
            accounts=list(accounts),
        )
    )


async def lease(database: Database, channel: ChannelRow, vault: Vault, left: timedelta) -> ChannelRow | None:
    """The right to spend the channel's refresh token, for one caller of the whole cluster: the channel as it is now.

    None where its token has `left` to live, or somebody else has the right.
    """
    sealed = await database.run(
        "lease_refresh",
        tenant=channel.tenant,
        kind=channel.kind,
        app=channel.app,
        team=channel.team,
        left=left,
        lease=timedelta(seconds=LEASE_SECONDS),
    )
    return None if sealed is None else replace(channel, secrets=_opened(vault, channel, sealed))


async def store(
    database: Database, leased: ChannelRow, secrets: dict[str, str], seconds: int | None, vault: Vault
) -> ChannelRow | None:
    """Keep the new tokens; None if others were stored meanwhile."""
    where = {"kind": leased.kind, "app": leased.app, "team": leased.team}
    async with database.tenant(leased.tenant) as connection:
        sealed = await connection.run("hold_secrets", **where)
        # Secrets, not ciphertexts: the same ones may have been encrypted anew with another master key.
        if sealed is None or _opened(vault, leased, sealed) != leased.secrets:
            return None
        after = vault.encrypt(leased.tenant, json.dumps(secrets))
        await connection.run("store_refreshed", **where, secrets=after, seconds=seconds)
    return replace(leased, secrets=secrets)


def _opened(vault: Vault, channel: ChannelRow, sealed: bytes) -> dict[str, str]:
    what = f"The secrets of {channel.kind} {channel.team}"
    opened: dict[str, str] = json.loads(vault.decrypt(channel.tenant, sealed, what))
    return opened


async def _employee(connection: TenantConnection) -> UUID:
    found = await employees_of(connection)
    if not found:
        raise UnknownTenant("There is no such tenant any more; apply its tenant file first.")
    return min(found)


def _hashed(secret: str) -> bytes:
    return sha256(secret.encode()).digest()

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


async def disconnect(database: Database, channel: ChannelRow, at: float, accounts: Sequence[str]) -> bool:
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


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to spend the channel's refresh token; `before` tells whether anybody else stored other tokens."""

    channel: ChannelRow
    before: bytes = field(repr=False)


async def lease(database: Database, channel: ChannelRow, vault: Vault, left: timedelta) -> Lease | None:
    """The right to renew a token that has less than `left` to live, for one caller of the whole cluster."""
    sealed = await database.run(
        "lease_refresh",
        tenant=channel.tenant,
        kind=channel.kind,
        app=channel.app,
        team=channel.team,
        left=left,
        lease=timedelta(seconds=LEASE_SECONDS),
    )
    if sealed is None:
        return None
    return Lease(replace(channel, secrets=json.loads(vault.decrypt(channel.tenant, sealed))), sealed)


async def store(
    database: Database, leased: Lease, secrets: dict[str, str], seconds: int | None, vault: Vault
) -> ChannelRow | None:
    """Keep the new tokens; None if others were stored meanwhile."""
    channel = leased.channel
    async with database.tenant(channel.tenant) as connection:
        stored = await connection.run(
            "store_refreshed",
            kind=channel.kind,
            app=channel.app,
            team=channel.team,
            secrets=vault.encrypt(channel.tenant, json.dumps(secrets)),
            seconds=seconds,
            before=leased.before,
        )
    return replace(channel, secrets=secrets) if stored else None


async def _employee(connection: TenantConnection) -> UUID:
    found = await employees_of(connection)
    if not found:
        raise UnknownTenant("There is no such tenant any more; apply its tenant file first.")
    return min(found)


def _hashed(secret: str) -> bytes:
    return sha256(secret.encode()).digest()

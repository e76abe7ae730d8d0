"""A tenant's configuration as operators see it, secrets cut short, and one piece of it changed at a time."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from konstruct.database.pool import TenantConnection
from konstruct.database.tenants import channels_of, models_of
from konstruct.errors import SecretUnreadable
from konstruct.vault import Vault, ending

UNREADABLE = "cannot be read with today's master keys"


@dataclass(frozen=True, slots=True)
class ChannelShown:
    """A connection; `secrets`: name -> ending."""

    id: UUID
    kind: str
    app: str
    team: str
    account: str
    employee_id: UUID
    options: dict[str, Any]
    secrets: dict[str, str]
    installed_by: str
    disconnected: bool
    expires_at: datetime | None


async def lock(connection: TenantConnection) -> None:
    """Changes of one tenant's configuration wait for each other until their transactions end."""
    await connection.run("lock_tenant")


async def channels_shown(connection: TenantConnection, vault: Vault) -> list[ChannelShown]:
    """The tenant's connections, in a lasting order."""
    return [
        ChannelShown(
            id=uuid5(connection.tenant, f"channel:{row['kind']}/{row['app']}/{row['team']}"),
            kind=row["kind"],
            app=row["app"],
            team=row["team"],
            account=row["account"],
            employee_id=row["employee_id"],
            # Digests of secrets are for look-ups.
            options={name: value for name, value in row["options"].items() if not name.endswith("_sha256")},
            secrets=_endings(connection.tenant, row["secrets"], vault),
            installed_by=row["installed_by"],
            disconnected=row["disconnected"],
            expires_at=datetime.fromtimestamp(row["expires_at"], UTC) if row["expires_at"] else None,
        )
        for row in await channels_of(connection)
    ]


async def models_shown(connection: TenantConnection, vault: Vault) -> list[dict[str, Any]]:
    """The tenant's models by name, their keys cut short."""
    rows = [dict(row) for row in await models_of(connection)]
    return [row | {"api_key": _key(connection.tenant, row["api_key"], vault)} for row in sorted(rows, key=_name)]


async def drop_model(connection: TenantConnection, name: str) -> bool:
    """False where there is none such."""
    return bool(await connection.run("drop_model", name=name))


async def drop_channel(connection: TenantConnection, channel: ChannelShown) -> bool:
    """The tenant has nothing to do with it any more. False where there is none such."""
    return bool(await connection.run("drop_channel", kind=channel.kind, app=channel.app, team=channel.team))


def _endings(tenant: UUID, ciphertext: bytes, vault: Vault) -> dict[str, str]:
    try:
        secrets: dict[str, str] = json.loads(vault.decrypt(tenant, ciphertext))
    except SecretUnreadable:
        return {"": UNREADABLE}
    return {name: ending(secret) for name, secret in secrets.items()}


def _key(tenant: UUID, ciphertext: bytes | None, vault: Vault) -> str | None:
    if ciphertext is None:
        return None
    try:
        return ending(vault.decrypt(tenant, ciphertext))
    except SecretUnreadable:
        return UNREADABLE


def _name(row: dict[str, Any]) -> str:
    return str(row["name"])

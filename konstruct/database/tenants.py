"""Tenants as operators configure them: applying a tenant file, and reading it back for a turn or a webhook."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from konstruct.database import budgets
from konstruct.database.pool import Database, TenantConnection
from konstruct.errors import AlreadyTaken, SecretUnreadable, TenantFileInvalid
from konstruct.identity import employee_id, tenant_id
from konstruct.messages import Address
from konstruct.tenant_file import ChannelEntries, EmployeeEntry, ModelEntry, TenantFile
from konstruct.vault import Vault


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One tenant's connection to a channel; `secrets` are decrypted and never logged."""

    tenant: UUID
    kind: str
    app: str
    team: str
    employee: UUID
    account: str
    secrets: dict[str, str] = field(repr=False)
    options: dict[str, Any] = field(default_factory=dict)  # what an operator chose, nothing secret
    installed_by: str = "file"  # or "oauth": then the tenant file knows nothing of it
    disconnected: bool = False  # the provider said that the connection ended
    expires_at: float | None = None  # Unix seconds, where the token must be renewed


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A hosted model with the tenant's own key, decrypted and never logged."""

    name: str
    litellm: str
    api_base: str | None
    api_key: str | None = field(repr=False)
    vision: bool = False
    transcription: bool = False
    price: dict[str, int | None] | None = None  # what the tenant says, in micro-USD per million tokens
    max_answer_tokens: int = 4_096


@dataclass(frozen=True, slots=True)
class TenantRow:
    """Everything a host needs to know of a tenant."""

    name: str
    quiet_seconds: float
    escalation: dict[str, Any]
    operators: dict[str, Any]
    employees: dict[UUID, dict[str, Any]]
    models: dict[str, ModelRow]
    channels: list[ChannelRow]
    limits: dict[str, Any] = field(default_factory=dict)
    suspended: bool = False  # its subscription does not pay for answers; nothing of the tenant's own file
    budgets: dict[str, Any] = field(default_factory=dict)

    @property
    def operators_place(self) -> Address | None:
        """Where the humans are told, in Slack."""
        place = self.operators.get("slack_channel")
        connected = [channel for channel in self.channels if channel.kind == "slack" and not channel.disconnected]
        # Workspaces that were attached by a link are customers' more likely than the operators' own.
        team = min(connected, key=lambda channel: channel.installed_by != "file").team if connected else None
        return Address(team, place) if place and team else None


async def apply_tenant(database: Database, tenant_file: TenantFile, vault: Vault) -> bool:
    """Make the tenant what the file says; applying it again changes nothing. Answers whether anything changed."""
    try:
        async with database.tenant(tenant_id(tenant_file.tenant)) as connection:
            return await apply_within(connection, tenant_file, vault)
    except AlreadyTaken:
        raise taken(tenant_file.channels) from None


def taken(channels: ChannelEntries) -> TenantFileInvalid:
    """What to say when one of these is connected elsewhere."""
    places = [f"{c['kind']} {c['team']} {c['app']}".strip() for c in channels.connections]
    return TenantFileInvalid(f"{' or '.join(places)} belongs to another tenant; take it out of that one's file first.")


async def apply_within(connection: TenantConnection, tenant_file: TenantFile, vault: Vault) -> bool:
    """`apply_tenant` in a transaction of the caller's; raises AlreadyTaken as it ends."""
    wanted = _wanted(connection.tenant, tenant_file)
    if await _readable(connection, vault) == wanted:
        return False
    await connection.run(
        "save_tenant", name=wanted.name, quiet_seconds=wanted.quiet_seconds, escalation=wanted.escalation,
        operators=wanted.operators,
    )  # fmt: skip
    await connection.run("save_limits", limits=wanted.limits)
    await budgets.save(connection, wanted.budgets)
    employee = await save_employee(connection, tenant_file.employee)
    for model in tenant_file.models:
        await save_model(connection, model, vault)
    await connection.run("drop_other_models", names=[model.name for model in tenant_file.models])
    await save_channels(connection, tenant_file.channels, employee, vault)
    keys = [f"{c.kind}/{c.app}/{c.team}" for c in wanted.channels]
    await connection.run("drop_other_channels", keys=keys)
    await connection.run("adopt_channels", employee=employee)
    await connection.run("drop_other_employees", ids=[employee])
    return True


async def read_tenant(database: Database, tenant: UUID, vault: Vault) -> TenantRow | None:
    """The tenant's configuration, None if there is no such tenant."""
    async with database.tenant(tenant) as connection:
        return await _read(connection, vault)


async def tenant_of(connection: TenantConnection) -> Any:
    """The tenant's own row, None where there is no such tenant."""
    return await connection.run("tenant")


async def employees_of(connection: TenantConnection) -> dict[UUID, dict[str, Any]]:
    """The tenant's employees by id; none where there is no such tenant."""
    return {
        row["id"]: {field: row[field] for field in ("name", "instructions", "model", "fallback_model", "options")}
        for row in await connection.run("employees")
    }


async def models_of(connection: TenantConnection) -> Any:
    """Rows of the tenant's models, keys encrypted."""
    return await connection.run("models")


async def channels_of(connection: TenantConnection) -> Any:
    """Rows of the tenant's channels, secrets encrypted."""
    return await connection.run("channels")


async def _readable(connection: TenantConnection, vault: Vault) -> TenantRow | None:
    # With a master key lost, applying the file again with its secrets is the way out.
    try:
        row = await _read(connection, vault)
    except SecretUnreadable:
        return None
    if row is None:
        return None
    channels = [channel for channel in row.channels if channel.installed_by == "file"]
    return replace(row, channels=_in_order(channels), suspended=False)


def _in_order(channels: Sequence[ChannelRow]) -> list[ChannelRow]:
    """A file names its channels in any order, and PostgreSQL has an order of its own."""
    return sorted(channels, key=lambda channel: (channel.kind, channel.app, channel.team))


async def save_employee(connection: TenantConnection, entry: EmployeeEntry) -> UUID:
    """An employee as the entry says; answers the id."""
    id_ = employee_id(connection.tenant, entry.name)
    await connection.run("save_employee", id=id_, **_employee(entry))
    return id_


async def save_model(connection: TenantConnection, entry: ModelEntry, vault: Vault) -> None:
    """A model as the entry says."""
    key = vault.encrypt(connection.tenant, entry.api_key) if entry.api_key else None
    await connection.run("save_model", **entry.row | {"api_key": key})


async def save_channels(connection: TenantConnection, entries: ChannelEntries, employee: UUID, vault: Vault) -> None:
    """Connections as the entries say; others stay as they are."""
    for fields in entries.connections:
        secrets = vault.encrypt(connection.tenant, json.dumps(fields["secrets"]))
        await connection.run("save_channel", **fields | {"employee": employee, "secrets": secrets})


def _wanted(tenant: UUID, tenant_file: TenantFile) -> TenantRow:
    employee = employee_id(tenant, tenant_file.employee.name)
    channels = [
        ChannelRow(tenant=tenant, employee=employee, **connection) for connection in tenant_file.channels.connections
    ]
    return TenantRow(
        name=tenant_file.tenant,
        quiet_seconds=tenant_file.quiet_seconds,
        escalation=tenant_file.escalation.model_dump(mode="json"),
        operators=tenant_file.operators.model_dump(mode="json"),
        employees={employee: _employee(tenant_file.employee)},
        budgets=tenant_file.budgets.stored,
        models={model.name: ModelRow(**model.row) for model in tenant_file.models},
        channels=_in_order(channels),
        limits=tenant_file.limits.stored,
    )


def _employee(entry: EmployeeEntry) -> dict[str, Any]:
    fields = entry.model_dump(include={"name", "instructions", "model", "fallback_model"})
    return fields | {"options": entry.options}


async def _read(connection: TenantConnection, vault: Vault) -> TenantRow | None:
    tenant = await tenant_of(connection)
    if tenant is None:
        return None
    models = {}
    for row in await models_of(connection):
        what = f"The key of model {row['name']}"
        key = vault.decrypt(connection.tenant, row["api_key"], what) if row["api_key"] else None
        models[row["name"]] = ModelRow(**dict(row) | {"api_key": key})
    return TenantRow(
        name=tenant["name"],
        quiet_seconds=tenant["quiet_seconds"],
        escalation=tenant["escalation"],
        operators=tenant["operators"],
        budgets=tenant["budgets"],
        employees=await employees_of(connection),
        models=models,
        channels=[channel_of(row, connection.tenant, vault) for row in await channels_of(connection)],
        limits=tenant["limits"],
        suspended=tenant["suspended"],
    )


def channel_of(row: Any, tenant: UUID, vault: Vault) -> ChannelRow:
    """A row with its secrets decrypted; raises SecretUnreadable."""
    secrets = json.loads(vault.decrypt(tenant, row["secrets"], f"The secrets of {row['kind']} {row['team']}"))
    return ChannelRow(
        tenant, row["kind"], row["app"], row["team"], row["employee_id"], row["account"], secrets, row["options"],
        row["installed_by"], row["disconnected"], row["expires_at"],
    )  # fmt: skip

"""Tenants as operators configure them: applying a tenant file, and reading it back for a turn or a webhook."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import structlog

from konstruct.database.pool import Database, TenantConnection
from konstruct.errors import AlreadyTaken, SecretUnreadable, TenantFileInvalid
from konstruct.identity import employee_id, tenant_id
from konstruct.messages import Address
from konstruct.tenant_file import TenantFile, digest
from konstruct.vault import Vault

log = structlog.get_logger()


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
        return await _apply(database, tenant_file, vault)
    except AlreadyTaken:
        places = [f"{c['kind']} {c['team']} {c['app']}".strip() for c in tenant_file.channels.connections]
        message = f"{' or '.join(places)} belongs to another tenant; take it out of that one's file first."
        raise TenantFileInvalid(message) from None


async def _apply(database: Database, tenant_file: TenantFile, vault: Vault) -> bool:
    tenant = tenant_id(tenant_file.tenant)
    async with database.tenant(tenant) as connection:
        wanted = _wanted(tenant, tenant_file)
        if await _readable(connection, vault) == wanted:
            return False
        await connection.run(
            "save_tenant", name=wanted.name, quiet_seconds=wanted.quiet_seconds, escalation=wanted.escalation,
            operators=wanted.operators,
        )  # fmt: skip
        await connection.run("save_limits", limits=wanted.limits)
        employee = employee_id(tenant, tenant_file.employee.name)
        await connection.run("save_employee", id=employee, **wanted.employees[employee])
        await _apply_models(connection, tenant_file, vault)
        await _apply_channels(connection, tenant_file, vault, employee)
        await connection.run("adopt_channels", employee=employee)
        await connection.run("drop_other_employees", ids=[employee])
    return True


async def read_tenant(database: Database, tenant: UUID, vault: Vault) -> TenantRow | None:
    """The tenant's configuration, None if there is no such tenant."""
    async with database.tenant(tenant) as connection:
        return await _read(connection, vault)


async def any_hosted_model(database: Database) -> bool:
    """Whether any tenant uses a model through LiteLLM."""
    return bool(await database.run("has_hosted_models"))


async def find_channels(database: Database, kind: str, app: str, team: str, vault: Vault) -> list[ChannelRow]:
    """Candidates to check a request's signature with; the event's own channel has this very app and team.

    Raises SecretUnreadable where it is the event's own that does not open, or none does.
    """
    rows = await database.run("find_channels", seconds=2.0, kind=kind, app=app, team=team)
    channels = _readable_channels(rows, vault)
    for row in rows:
        if (row["app"], row["team"]) == (app, team) or not channels:
            _channel(row, row["tenant_id"], vault)
    return channels


async def socket_channels(database: Database, vault: Vault) -> list[ChannelRow]:
    """Every channel that asks for a connection of ours instead of webhooks, and whose secrets open."""
    return _readable_channels(await database.run("socket_channels"), vault)


def _readable_channels(rows: Sequence[Any], vault: Vault) -> list[ChannelRow]:
    """One tenant's damaged secret must not keep another tenant's channel from working."""
    channels = []
    for row in rows:
        try:
            channels.append(_channel(row, row["tenant_id"], vault))
        except SecretUnreadable as error:
            log.warning("channel passed over", channel=row["kind"], team=row["team"], reason=str(error))
    return channels


async def tenant_of(connection: TenantConnection) -> Any:
    """The tenant's own row, None where there is no such tenant."""
    return await connection.run("tenant")


async def employees_of(connection: TenantConnection) -> dict[UUID, dict[str, Any]]:
    """The tenant's employees by id; none where there is no such tenant."""
    return {
        row["id"]: {field: row[field] for field in ("name", "instructions", "model", "fallback_model", "options")}
        for row in await connection.run("employees")
    }


async def has_verify_token(database: Database, kind: str, token: str) -> bool:
    """Whether some channel of this kind was set up with this token."""
    return bool(await database.run("has_verify_token", seconds=2.0, kind=kind, digest=digest(token)))


async def _readable(connection: TenantConnection, vault: Vault) -> TenantRow | None:
    # With a master key lost, applying the file again with its secrets is the way out.
    try:
        row = await _read(connection, vault)
    except SecretUnreadable:
        return None
    if row is None:
        return None
    return replace(row, channels=[channel for channel in row.channels if channel.installed_by == "file"])


async def _apply_models(connection: TenantConnection, tenant_file: TenantFile, vault: Vault) -> None:
    for model in tenant_file.models:
        key = vault.encrypt(connection.tenant, model.api_key) if model.api_key else None
        await connection.run("save_model", **model.row | {"api_key": key})
    await connection.run("drop_other_models", names=[model.name for model in tenant_file.models])


async def _apply_channels(connection: TenantConnection, tenant_file: TenantFile, vault: Vault, employee: UUID) -> None:
    channels = _wanted(connection.tenant, tenant_file).channels
    for channel in channels:
        await connection.run(
            "save_channel",
            kind=channel.kind,
            app=channel.app,
            team=channel.team,
            employee=employee,
            account=channel.account,
            secrets=vault.encrypt(connection.tenant, json.dumps(channel.secrets)),
            options=channel.options,
        )
    await connection.run("drop_other_channels", keys=[f"{c.kind}/{c.app}/{c.team}" for c in channels])


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
        employees={
            employee: tenant_file.employee.model_dump(include={"name", "instructions", "model", "fallback_model"})
            | {"options": tenant_file.employee.options}
        },
        models={model.name: ModelRow(**model.row) for model in tenant_file.models},
        channels=channels,
        limits=tenant_file.limits.stored,
    )


async def _read(connection: TenantConnection, vault: Vault) -> TenantRow | None:
    tenant = await tenant_of(connection)
    if tenant is None:
        return None
    models = {}
    for row in await connection.run("models"):
        what = f"The key of model {row['name']}"
        key = vault.decrypt(connection.tenant, row["api_key"], what) if row["api_key"] else None
        models[row["name"]] = ModelRow(**dict(row) | {"api_key": key})
    return TenantRow(
        name=tenant["name"],
        quiet_seconds=tenant["quiet_seconds"],
        escalation=tenant["escalation"],
        operators=tenant["operators"],
        employees=await employees_of(connection),
        models=models,
        channels=[_channel(row, connection.tenant, vault) for row in await connection.run("channels")],
        limits=tenant["limits"],
    )


def _channel(row: Any, tenant: UUID, vault: Vault) -> ChannelRow:
    secrets = json.loads(vault.decrypt(tenant, row["secrets"], f"The secrets of {row['kind']} {row['team']}"))
    return ChannelRow(
        tenant, row["kind"], row["app"], row["team"], row["employee_id"], row["account"], secrets, row["options"],
        row["installed_by"], row["disconnected"], row["expires_at"],
    )  # fmt: skip

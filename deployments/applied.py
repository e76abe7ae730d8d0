"""A tenant as it is applied, as the simulators must know it: what is signed with other secrets is refused."""

from dataclasses import dataclass

from deployments.installation.tenants import open_database
from konstruct.database.installation import tenant_names
from konstruct.database.tenants import ChannelRow, TenantRow, read_tenant
from konstruct.errors import UnknownTenant
from konstruct.identity import tenant_id
from konstruct.settings import Settings
from konstruct.vault import Vault
from simulator import App, Number


@dataclass(frozen=True, slots=True)
class Applied:
    """What the tenant shares with the vendors; None where it has no such channel."""

    app: App | None = None
    number: Number | None = None


async def applied(tenant: str, settings: Settings) -> Applied:
    """The tenant's Slack app and WhatsApp number, out of the installation's database. Raises UnknownTenant."""
    async with open_database(settings) as database:
        row = await read_tenant(database, tenant_id(tenant), Vault(settings.master_keys))
        if row is None:
            names = ", ".join(await tenant_names(database)) or "none yet: `konstruct apply -f tenant.yaml` makes one"
            raise UnknownTenant(f"There is no tenant {tenant}; there are: {names}.")
    return Applied(_app(row), _number(row))


def _app(row: TenantRow) -> App | None:
    channel = _channel(row, "slack")
    if channel is None:
        return None
    return App(
        tenant=row.name,
        name=row.employees[channel.employee]["name"],
        team=channel.team,
        app=channel.app,
        bot_user=channel.account,
        bot_token=channel.secrets["bot_token"],
        signing_secret=channel.secrets["signing_secret"],
        app_token=channel.secrets.get("app_token", ""),
    )


def _number(row: TenantRow) -> Number | None:
    channel = _channel(row, "whatsapp")
    if channel is None:
        return None
    return Number(
        tenant=row.name,
        name=row.employees[channel.employee]["name"],
        phone_number_id=channel.team,
        display_phone_number=channel.account,
        access_token=channel.secrets["access_token"],
        app_secret=channel.secrets["app_secret"],
        verify_token=channel.secrets["verify_token"],
    )


def _channel(row: TenantRow, kind: str) -> ChannelRow | None:
    """One that works before any that the provider has ended, then the tenant's own before those attached by a link."""
    channels = [channel for channel in row.channels if channel.kind == kind]
    return min(channels, key=lambda channel: (channel.disconnected, channel.installed_by != "file"), default=None)

"""Channels that do not work any more, removed or with a token that has ended; handovers that nobody would hear of."""

import asyncio
import time
from contextlib import suppress

from deployments.examinations.finding import Finding, Patient, odd, well, wrong
from deployments.installation.tenants import open_database
from konstruct.database import installation
from konstruct.database.tenants import ChannelRow, TenantRow, read_tenant
from konstruct.errors import KonstructError, SecretUnreadable
from konstruct.identity import tenant_id
from konstruct.vault import Vault


def channels(patient: Patient) -> list[Finding]:
    """Whether every tenant's channels are connected, and somebody hears of its handovers."""
    try:
        tenants = asyncio.run(_tenants(patient))
    except KonstructError as error:
        return [odd("channels", f"not looked at: {error}", "mend that first")]
    found = [(row.name, channel) for row in tenants for channel in row.channels]
    problems = [problem(name, channel, time.time()) for name, channel in found]
    told = [finding for finding in problems if finding is not None]
    unheard = [finding for row in tenants if (finding := unheard_of(row)) is not None]
    return (told or [well("channels", f"{len(found)} connected")]) + unheard


def problem(tenant: str, channel: ChannelRow, now: float) -> Finding | None:
    """What is wrong with a channel, None if nothing is."""
    place = f"{channel.kind} {channel.team} of {tenant}"
    again = f"open the link of `konstruct slack install-link {tenant}`"
    if channel.disconnected:
        mend = again if channel.installed_by == "oauth" else "install the app there again, and apply the tenant file"
        return wrong("channels", f"{place} was disconnected by its workspace", mend)
    if channel.expires_at is not None and channel.expires_at < now:
        return wrong("channels", f"the token of {place} has ended and was not renewed", again)
    return None


def unheard_of(tenant: TenantRow) -> Finding | None:
    """That contacts are promised a colleague whom nobody tells, None where somebody is told."""
    if not tenant.escalation.get("rules") or tenant.operators_place is not None:
        return None
    mend = "add `operators: {slack_channel: C…}` and a Slack workspace to its file, and apply it"
    return odd("operators", f"{tenant.name} hands conversations over, and nobody is told", mend)


async def _tenants(patient: Patient) -> list[TenantRow]:
    found = []
    async with open_database(patient.settings) as database:
        vault = Vault(patient.settings.master_keys)
        for name in await installation.tenant_names(database):
            with suppress(SecretUnreadable):  # the master keys' own finding names it
                found.append(await read_tenant(database, tenant_id(name), vault))
    return [row for row in found if row is not None]

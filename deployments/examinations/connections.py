"""Channels that do not work any more: removed by their workspace, or with a token that has ended."""

import asyncio
import time
from contextlib import suppress

from deployments.examinations.finding import Finding, Patient, odd, well, wrong
from deployments.installation.tenants import open_database
from konstruct.database import installation
from konstruct.database.tenants import ChannelRow, read_tenant
from konstruct.errors import KonstructError, SecretUnreadable
from konstruct.identity import tenant_id
from konstruct.vault import Vault


def channels(patient: Patient) -> list[Finding]:
    """Whether every tenant's channels are connected."""
    try:
        found = asyncio.run(_channels(patient))
    except KonstructError as error:
        return [odd("channels", f"not looked at: {error}", "mend that first")]
    problems = [problem(name, channel, time.time()) for name, channel in found]
    told = [finding for finding in problems if finding is not None]
    return told or [well("channels", f"{len(found)} connected")]


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


async def _channels(patient: Patient) -> list[tuple[str, ChannelRow]]:
    vault, found = Vault(patient.settings.master_keys), []
    async with open_database(patient.settings) as database:
        for name in await installation.tenant_names(database):
            with suppress(SecretUnreadable):  # the master keys' own finding names it
                row = await read_tenant(database, tenant_id(name), vault)
                found += [(name, channel) for channel in (row.channels if row else [])]
    return found

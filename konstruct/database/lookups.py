"""Look-ups across tenants, before one is known: whose event is it, and who must be connected?"""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from konstruct.database.pool import Database
from konstruct.database.tenants import ChannelRow, channel_of
from konstruct.errors import SecretUnreadable
from konstruct.tenant_file import digest
from konstruct.vault import Vault

FEW_SECRETS = 20

log = structlog.get_logger()


async def any_hosted_model(database: Database) -> bool:
    """Whether any tenant uses a model through LiteLLM."""
    return bool(await database.run("has_hosted_models"))


async def find_channels(database: Database, kind: str, app: str, team: str, vault: Vault) -> list[ChannelRow]:
    """Candidates to check a request's signature with; the event's own channel has this very app and team.

    Raises SecretUnreadable where it is the event's own that does not open, or none does.
    """
    rows = await database.run("find_channels", seconds=2.0, kind=kind, app=app, team=team)
    # Of what names no channel, any may be a candidate: to decrypt thousands takes a while.
    many = len(rows) > FEW_SECRETS
    channels = await asyncio.to_thread(_readable_channels, rows, vault) if many else _readable_channels(rows, vault)
    for row in rows:
        if (row["app"], row["team"]) == (app, team) or not channels:
            channel_of(row, row["tenant_id"], vault)
    return channels


async def socket_channels(database: Database, vault: Vault) -> list[ChannelRow]:
    """Every channel that asks for a connection of ours instead of webhooks, and whose secrets open."""
    return _readable_channels(await database.run("socket_channels"), vault)


def _readable_channels(rows: Sequence[Any], vault: Vault) -> list[ChannelRow]:
    """One tenant's damaged secret must not keep another tenant's channel from working."""
    channels = []
    for row in rows:
        try:
            channels.append(channel_of(row, row["tenant_id"], vault))
        except SecretUnreadable as error:
            log.warning("channel passed over", channel=row["kind"], team=row["team"], reason=str(error))
    return channels


async def has_verify_token(database: Database, kind: str, token: str) -> bool:
    """Whether some channel of this kind was set up with this token."""
    return bool(await database.run("has_verify_token", seconds=2.0, kind=kind, digest=digest(token)))

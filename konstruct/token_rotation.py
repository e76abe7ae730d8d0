"""Slack tokens that expire: renewed in time, by one process of the cluster at a time."""

import asyncio
import math
import time
from datetime import timedelta
from typing import Any

import structlog

from konstruct.channels.slack import oauth
from konstruct.database import installs
from konstruct.database.pool import Database
from konstruct.database.tenants import ChannelRow
from konstruct.errors import ChannelBusy, ChannelRefused, KonstructError
from konstruct.vault import Vault

# Slack's tokens hold for twelve hours.
RENEWED_BEFORE_SECONDS = 7200.0
STILL_GOOD_SECONDS = 60.0
ATTEMPT_PAUSE_SECONDS = 5.0

# The channel with its new token; None: another process renews it, or a later attempt may do.
Renewal = ChannelRow | ChannelRefused | None

log = structlog.get_logger()


class TokenRotation:
    """Gives channels tokens that hold. A refresh token is good for one use: the database says whose turn it is.

    What remains: where a process dies between Slack's answer and the store, the new tokens are lost and the old
    refresh token is spent. The old access token lives on for up to two hours; then the app must be installed again.
    """

    def __init__(self, database: Database, vault: Vault, session: Any, api_url: str, client: oauth.Client) -> None:
        """`session`: an aiohttp.ClientSession of the process."""
        self._database = database
        self._vault = vault
        self._session = session
        self._api_url = api_url
        self._client = client
        self._running: dict[tuple[object, str, str], asyncio.Task[Renewal]] = {}
        self._tried_at: dict[tuple[object, str, str], float] = {}

    async def fresh(self, channel: ChannelRow) -> ChannelRow:
        """The channel with a token that holds; raises ChannelBusy or ChannelRefused where there is none."""
        left = math.inf if channel.expires_at is None else channel.expires_at - time.time()
        if left > RENEWED_BEFORE_SECONDS:
            return channel
        renewing = self._renewing(channel)
        if left > STILL_GOOD_SECONDS:
            return channel
        renewed = await asyncio.shield(renewing) if renewing else None
        if isinstance(renewed, ChannelRefused):
            raise renewed
        if renewed is None:
            raise ChannelBusy(1.0, f"The token of Slack team {channel.team} is being renewed.")
        return renewed

    def _renewing(self, channel: ChannelRow) -> asyncio.Task[Renewal] | None:
        key = (channel.tenant, channel.app, channel.team)
        if key not in self._running:
            if time.monotonic() - self._tried_at.get(key, -math.inf) < ATTEMPT_PAUSE_SECONDS:
                return None
            self._tried_at[key] = time.monotonic()
            task = self._running[key] = asyncio.create_task(self._renew(channel))
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return self._running[key]

    async def _renew(self, channel: ChannelRow) -> Renewal:
        try:
            leased = await installs.lease(
                self._database, channel, self._vault, timedelta(seconds=RENEWED_BEFORE_SECONDS)
            )
            if leased is None:
                return None
            secrets = leased.secrets
            grant = await oauth.refresh(self._session, self._api_url, self._client, secrets.get("refresh_token", ""))
            tokens = {"bot_token": grant.bot_token, "refresh_token": grant.refresh_token or secrets["refresh_token"]}
            return await installs.store(self._database, leased, secrets | tokens, grant.seconds, self._vault)
        except ChannelRefused as refused:
            log.exception("token not renewed; install the app again", team=channel.team, reason=str(refused))
            return refused
        except KonstructError as error:
            log.warning("token not renewed, trying again", team=channel.team, reason=str(error))
        return None

"""Slack's Socket Mode: where no webhook can come in, a connection goes out. One for each app with an app_token."""

import asyncio
import hashlib
import logging
from typing import Any

import structlog
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from deployments.doors.slack import SlackDoor
from deployments.doors.slack_reach import SlackReach
from deployments.webhooks import Intake
from konstruct.database.lookups import socket_channels
from konstruct.database.pool import Database
from konstruct.directory import Directory
from konstruct.errors import KonstructError
from konstruct.settings import Settings
from konstruct.vault import Vault

LOOK_SECONDS = 5.0

log = structlog.get_logger()
# The library repeats what is in its exceptions, at length.
logging.getLogger("slack_sdk").setLevel(logging.CRITICAL)


def socket_mode(settings: Settings, database: Database, intake: Intake) -> "SocketMode":
    """Socket Mode with a door of its own."""
    vault = Vault(settings.master_keys)
    reach = SlackReach(settings, database, vault)
    door = SlackDoor(intake, Directory(database, vault), database, reach, settings, vault=vault)
    return SocketMode(database, vault, door, settings.slack_api_url)


class SocketMode:
    """Holds the connections that tenants ask for. Envelopes are acknowledged only after they are durable (C1).

    A second replica, or a connection that overlaps its successor, may get the same event: the inbox takes it once.
    """

    def __init__(self, database: Database, vault: Vault, door: SlackDoor, api_url: str) -> None:
        """Nothing is opened before `run`."""
        self._database = database
        self._vault = vault
        self._door = door
        self._api_url = api_url
        self._open: dict[tuple[str, str], tuple[SocketModeClient, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Follow what tenants ask for, until cancelled."""
        try:
            while True:
                try:
                    await self.follow()
                except KonstructError as error:
                    log.warning("socket mode not refreshed", reason=str(error))
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for key in list(self._open):
                await self._close(key)

    async def follow(self) -> None:
        """Open what is asked for and not there, close what is there and not asked for."""
        wanted = {}
        for channel in await socket_channels(self._database, self._vault):
            token = channel.secrets.get("app_token", "")
            wanted[channel.app, hashlib.sha256(token.encode()).hexdigest()] = token
        for key in self._open.keys() - wanted.keys():
            await self._close(key)
        for (app, _), (client, _connecting) in self._open.items():
            if not await client.is_connected():
                log.warning("socket mode has no connection; is the app_token right?", channel="slack", app=app)
        for key in wanted.keys() - self._open.keys():
            self._connect(key, wanted[key])

    def _connect(self, key: tuple[str, str], token: str) -> None:
        client = SocketModeClient(token, web_client=AsyncWebClient(base_url=self._api_url, timeout=10))

        async def take(_client: object, request: SocketModeRequest) -> None:
            with structlog.contextvars.bound_contextvars(request=request.envelope_id):
                await self._take(key[0], client, request)

        client.socket_mode_request_listeners.append(take)
        # The client itself tries again until it is closed, and follows when Slack asks it to move.
        self._open[key] = client, asyncio.create_task(client.connect())
        log.info("socket mode opens", channel="slack", app=key[0])

    async def _close(self, key: tuple[str, str]) -> None:
        client, connecting = self._open.pop(key)
        connecting.cancel()
        await client.close()
        log.info("socket mode closed", channel="slack", app=key[0])

    async def _take(self, app: str, client: SocketModeClient, request: SocketModeRequest) -> None:
        try:
            answer: dict[str, Any] | None = await self._door.enveloped(app, request.type, request.payload)
        except KonstructError as error:
            # Not acknowledged: Slack sends it again.
            log.warning("envelope not stored", channel="slack", reason=str(error))
            return
        except Exception:
            # The library is told to be silent.
            log.exception("envelope not stored", channel="slack")
            return
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, answer))

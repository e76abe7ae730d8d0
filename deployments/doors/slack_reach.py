"""What the doors do in Slack by themselves; what is done `later`, after the answer, is best effort."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import aiohttp
import structlog

from deployments.doors import slack_home
from konstruct.channels import Line, slack
from konstruct.database.pool import Database
from konstruct.database.tenants import ChannelRow, read_tenant
from konstruct.errors import ChannelBusy, KonstructError
from konstruct.settings import Settings
from konstruct.token_rotation import TokenRotation
from konstruct.vault import Vault

MAX_TASKS = 200
MOST_WAITS = 3

log = structlog.get_logger()


class SlackReach:
    """Calls to Slack from the ingress."""

    def __init__(self, settings: Settings, database: Database, vault: Vault) -> None:
        """The session opens with the first call."""
        self._settings = settings
        self._database = database
        self._vault = vault
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._rotation: TokenRotation | None = None
        self._reading = asyncio.Lock()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The process' HTTP session."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession()
        return self._session

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside the answer; under a flood of events rather not."""
        if len(self._tasks) >= MAX_TASKS:
            work.close()
            return
        task = asyncio.create_task(self._attempted(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End what is still under way."""
        for task in self._tasks:
            task.cancel()
        if self._session is not None:
            await self._session.close()

    async def settle_choice(self, channel: ChannelRow, event: slack.Pressed) -> None:
        """Show what was chosen in the place of the buttons."""
        api = slack.WebApi(await self._line(channel))
        blocks = slack_home.chosen(event.message, event.value, event.user)
        text = str(event.message.get("text") or event.value)
        await api.post("chat.update", {"channel": event.channel, "ts": event.ts, "text": text, "blocks": blocks})

    async def said_since(self, channel: ChannelRow, mention: slack.Message) -> list[slack.Message]:
        """What people said in the mention's thread after it; waits where Slack is busy. Raises KonstructError."""
        # One thread at a time: replies whose outcome is unknown are looked for by the same, rationed call.
        async with self._reading:
            left = MOST_WAITS
            while True:
                try:
                    return await slack.said_since(slack.WebApi(await self._line(channel)), mention)
                except ChannelBusy as busy:
                    if not left:
                        raise
                    left -= 1
                    await asyncio.sleep(busy.retry_after)

    async def greet(self, channel: ChannelRow, event: slack.Opened) -> None:
        """Suggest prompts where direct messages begin, and fill the home tab."""
        tenant = await read_tenant(self._database, channel.tenant, self._vault)
        if tenant is None:
            return
        employee = tenant.employees[channel.employee]
        prompts = slack_home.prompts(employee)
        opened = slack.SlackChannel(await self._line(channel))
        if event.tab == "home":
            await opened.publish_home(event.user, slack_home.view(str(employee["name"]), prompts))
        elif prompts and event.channel:
            await opened.suggest_prompts(event.channel, None, prompts)

    async def _line(self, channel: ChannelRow) -> Line:
        url = self._settings.slack_api_url
        if self._rotation is None:
            client = slack.Client(self._settings.slack_client_id, self._settings.slack_client_secret or "")
            self._rotation = TokenRotation(self._database, self._vault, self.session, url, client)
        fresh = await self._rotation.fresh(channel)
        return Line(fresh.tenant, fresh.team, fresh.account, fresh.secrets, fresh.options, url, self.session)

    async def _attempted(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except KonstructError as error:
            log.info("courtesy not done", channel="slack", reason=str(error))
        except Exception:
            log.exception("courtesy failed", channel="slack")

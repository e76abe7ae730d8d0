"""The simulated Slack: one HTTP server with its workspaces, its faults and a person to speak as."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

from simulator.app import App
from simulator.control import Control
from simulator.delivery import ACK_DEADLINE_SECONDS, RETRY_AFTER_SECONDS, Courier, Delivery
from simulator.event import SayKind, envelope, message_event, new_event_id
from simulator.faults import Fault, Faults
from simulator.message import Content, Message
from simulator.timeline import Entry, Timeline
from simulator.web_api import WebApi
from simulator.workspace import Workspaces

MAX_BODY_BYTES = 1 << 20
STOP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Said:
    """A message that a person said. `status`: the webhook's first answer, None with `reason` if none came."""

    team: str
    channel: str
    ts: str
    event_id: str
    status: int | None
    reason: str


class SlackSimulator:
    """`async with SlackSimulator(webhook=…) as slack:` serves the Web API at `slack.url` meanwhile."""

    def __init__(
        self,
        apps: Sequence[App] = (App(),),
        *,
        webhook: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        honour_client_msg_id: bool = True,
        mentions_twice: bool = True,
        retry_seconds: Sequence[float] = RETRY_AFTER_SECONDS,
        webhook_deadline: float = ACK_DEADLINE_SECONDS,
        faults: Sequence[Fault] = (),
        seed: int = 0,
    ) -> None:
        """Take times in seconds. `mentions_twice`: a mention also arrives as message.channels."""
        self.apps = tuple(apps)
        self.timeline = Timeline()
        self.faults = Faults(faults, seed)
        self.workspaces = Workspaces(self.timeline)
        self.api = WebApi(apps, self.workspaces, self.faults, honour_client_msg_id=honour_client_msg_id)
        self.courier = Courier(webhook, retry_seconds, webhook_deadline)
        self.control = Control(self)
        self._mentions_twice = mentions_twice
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen (again: on the same port); port 0 picks a free one. Raises OSError where it is taken."""
        self.api.open()
        server = web.Application(client_max_size=MAX_BODY_BYTES)
        server.router.add_route("*", "/api/{method}", self.api.answer)
        self.control.add_routes(server.router)
        self._runner = web.AppRunner(server, access_log=None, handler_cancellation=True, shutdown_timeout=STOP_SECONDS)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, backlog=1024).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End hangs and retries, close all connections and the port."""
        self.api.close()
        self.control.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self.courier.stop()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    @property
    def url(self) -> str:
        """Root of the Web API, as slack_sdk's `base_url` and KONSTRUCT_SLACK_API_URL want it."""
        return f"{self.address}/api/"

    @property
    def address(self) -> str:
        """Scheme, host and port."""
        return f"http://{self._host}:{self._port}"

    @property
    def log(self) -> list[Entry]:
        """Everything that was visible so far, in order, with all edits."""
        return self.timeline.entries

    @property
    def deliveries(self) -> list[Delivery]:
        """Every event sent to the webhook, with its attempts, in order."""
        return self.courier.deliveries

    async def say(
        self,
        text: str,
        *,
        channel: str = "D0ALICE",
        user: str = "U0ALICE",
        team: str | None = None,
        thread_ts: str | None = None,
        kind: SayKind | None = None,
        event_id: str | None = None,
        copies: int = 1,
    ) -> Said:
        """Say something as a person and deliver the event, `copies` times at once.

        The kind follows from the channel: "im" in D…, "app_mention" elsewhere. Raises LookupError for an
        unknown team.
        """
        app = self.app_of(team)
        kind = kind or ("im" if channel.startswith("D") else "app_mention")
        if kind == "app_mention" and f"<@{app.bot_user}>" not in text:
            text = f"<@{app.bot_user}> {text}"
        client_id = secrets.token_hex(16)
        message = self.workspaces.post(
            app.team,
            channel,
            user,
            Content(text, text, {"client_msg_id": client_id}),
            thread_ts=thread_ts,
            client_msg_id=client_id,
        )
        event = message_event(app, channel, message, kind, client_id)
        event_id = event_id or new_event_id()
        sends = [self.send(event, team=app.team, event_id=event_id) for _ in range(copies)]
        if kind == "app_mention" and self._mentions_twice:
            sends.append(self.send(message_event(app, channel, message, "message", client_id), team=app.team))
        return (await asyncio.gather(*sends))[0]

    async def send(self, event: dict[str, Any], *, team: str | None = None, event_id: str | None = None) -> Said:
        """Deliver any inner event, such as app_home_opened; returns after the first attempt."""
        app = self.app_of(team)
        event_id = event_id or new_event_id()
        body = envelope(app, event, event_id)
        channel, ts = str(event.get("channel", "")), str(event.get("ts", ""))
        first = await self.courier.deliver(app, Delivery(event_id, app.team, channel, ts), body)
        return Said(app.team, channel, ts, event_id, first.status, first.reason)

    def app_of(self, team: str | None) -> App:
        """Return the app installed in the team, the first one for None; raises LookupError."""
        for app in self.apps:
            if team in (None, app.team):
                return app
        raise LookupError(f"No app is installed in team {team}.")

    def messages(self, channel: str, *, thread_ts: str | None = None, team: str | None = None) -> list[Message]:
        """Return what reads in a channel now (top level, or one thread with its root), oldest first."""
        place = self.workspaces.channel(self.app_of(team).team, channel)
        found = place.top_level if thread_ts is None else place.thread(thread_ts)
        return [message for message in found if not message.deleted]

    def follow(self, since: int | None = None) -> AsyncIterator[Entry]:
        """Yield visible changes from `seq` on, or from now on, as they come."""
        return self.timeline.follow(since)

    async def expect(self, wanted: Callable[[Entry], bool], *, since: int = 0, seconds: float = 10.0) -> Entry:
        """Return the first entry from `since` on that is wanted, or raise TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds):
            async for entry in self.follow(since):
                if wanted(entry):
                    return entry
        raise AssertionError("the timeline never ends")

    def reset(self) -> None:
        """Forget messages, log, deliveries, faults and counts; the server stays up."""
        self.timeline.clear()
        self.workspaces.clear()
        self.courier.deliveries.clear()
        self.faults.rules.clear()
        self.api.calls.clear()

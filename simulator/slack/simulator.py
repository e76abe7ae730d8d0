"""The simulated Slack: one HTTP server with its workspaces, its faults and a person to speak as."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from aiohttp import web

from simulator.control import Control, answered
from simulator.delivery import Courier, Delivery, Parcel
from simulator.faults import Fault
from simulator.slack.app import App
from simulator.slack.event import SayKind, envelope, message_event, new_event_id, signed
from simulator.slack.message import Content, Message
from simulator.slack.options import Options
from simulator.slack.web_api import WebApi
from simulator.slack.workspace import Workspaces
from simulator.vendor import Vendor

# Slack tries four times in all: at once, +1 min, +5 min after the first.
RETRY_AFTER_SECONDS = (0.0, 60.0, 300.0)
ACK_DEADLINE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Said:
    """A message that a person said. `status`: the webhook's first answer, None with `reason` if none came."""

    team: str
    channel: str
    ts: str
    event_id: str
    status: int | None
    reason: str


class SlackSimulator(Vendor):
    """`async with SlackSimulator(webhook=…) as slack:` serves the Web API at `slack.url` meanwhile."""

    def __init__(
        self,
        apps: Sequence[App] = (App(),),
        *,
        webhook: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        retry_seconds: Sequence[float] = RETRY_AFTER_SECONDS,
        webhook_deadline: float = ACK_DEADLINE_SECONDS,
        faults: Sequence[Fault] = (),
        seed: int = 0,
        **options: Any,
    ) -> None:
        """Take times in seconds; what else may be given says `Options`."""
        courier = Courier(webhook, retry_seconds, webhook_deadline, stop_header="X-Slack-No-Retry")
        super().__init__(courier, host, port, faults, seed)
        self.apps = tuple(apps)
        self.options = Options(**options)
        self.workspaces = Workspaces(self.timeline, self.clock)
        self.api = WebApi(apps, self.workspaces, self.faults, self.options)
        self.control = Control(self, self.api.gate)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Register the Web API and the control endpoints."""
        router.add_route("*", "/api/{method}", self.api.answer)
        shown = {"apps": self._list_apps, "messages": self._list_messages}
        done: dict[str, Callable[..., Any]] = {"say": self.say, "send": self.send, "options": self.set_options}
        self.control.add_routes(router, shown, done)

    def open(self) -> None:
        """Let hangs hang."""
        self.api.gate.open()

    def close(self) -> None:
        """End hangs and event streams."""
        self.api.gate.close()
        self.control.close()

    @property
    def url(self) -> str:
        """Root of the Web API, as slack_sdk's `base_url` and KONSTRUCT_SLACK_API_URL want it."""
        return f"{self.address}/api/"

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
            Content(text, {"client_msg_id": client_id}),
            thread_ts=thread_ts,
            client_msg_id=client_id,
        )
        event = message_event(app, channel, message, kind, client_id)
        event_id = event_id or new_event_id()
        sends = [self.send(event, team=app.team, event_id=event_id) for _ in range(copies)]
        if kind == "app_mention" and self.options.mentions_twice:
            sends.append(self.send(message_event(app, channel, message, "message", client_id), team=app.team))
        return (await asyncio.gather(*sends))[0]

    async def send(self, event: dict[str, Any], *, team: str | None = None, event_id: str | None = None) -> Said:
        """Deliver any inner event, such as app_home_opened; returns after the first attempt."""
        app = self.app_of(team)
        event_id = event_id or new_event_id()
        body = envelope(app, event, event_id)
        channel, ts = str(event.get("channel", "")), str(event.get("ts", ""))
        delivery = Delivery(event_id, app.team, channel, ts)
        headers = partial(signed, app, body)
        first = await self.courier.deliver(Parcel(delivery, body, headers))
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

    def set_options(self, **options: Any) -> dict[str, Any]:
        """Change options while it runs and return them all; raises ValueError for one that is not there."""
        for name, value in options.items():
            if not hasattr(self.options, name):
                raise ValueError(f"there is no option {name}")
            setattr(self.options, name, value)
        return {"options": asdict(self.options)}

    def reset(self) -> None:
        """Forget messages, log, deliveries, faults and counts; the server stays up."""
        super().reset()
        self.workspaces.clear()
        self.api.calls.clear()

    async def _list_apps(self, _: web.Request) -> web.Response:
        secret = ("bot_token", "signing_secret")
        apps = [{k: v for k, v in asdict(app).items() if k not in secret} for app in self.apps]
        return answered({"apps": apps, "webhook": self.courier.webhook})

    async def _list_messages(self, request: web.Request) -> web.Response:
        query = request.query
        found = self.messages(query["channel"], thread_ts=query.get("thread_ts"), team=query.get("team"))
        return answered({"messages": [message.to_json(metadata=True) for message in found]})

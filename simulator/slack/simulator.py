"""The simulated Slack: one HTTP server with its workspaces, its faults and its people."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from aiohttp import web

from simulator.control import Control, answered
from simulator.delivery import Courier, Said
from simulator.faults import Fault
from simulator.slack.admin import Admin
from simulator.slack.app import App
from simulator.slack.files import Files
from simulator.slack.installations import Installations
from simulator.slack.message import Message
from simulator.slack.mirror import Mirror
from simulator.slack.oauth import OAuth
from simulator.slack.options import Options
from simulator.slack.people import People
from simulator.slack.responses import Responses
from simulator.slack.sender import Sender
from simulator.slack.socket_mode import SocketMode
from simulator.slack.web_api import WebApi
from simulator.slack.workspace import Workspaces
from simulator.slack.world import World
from simulator.vendor import Vendor

# Slack tries four times in all: at once, +1 min, +5 min after the first.
RETRY_AFTER_SECONDS = (0.0, 60.0, 300.0)
ACK_DEADLINE_SECONDS = 3.0
PEOPLES_ACTS = (
    "say",
    "share",
    "edit",
    "unfurl",
    "delete",
    "react",
    "unreact",
    "stop_stream",
    "press",
    "press_home",
    "command",
    "open_home",
    "look_at",
    "join",
)
ADMINS_ACTS = ("verify_url", "check_ssl", "limit_events", "revoke_tokens", "uninstall")


class SlackSimulator(Vendor):
    """`async with SlackSimulator(webhook=…) as slack:` serves the Web API at `slack.url` meanwhile."""

    MAX_BODY_BYTES = 64 << 20
    SEND_METHOD = "chat.postMessage"

    def __init__(
        self,
        apps: Sequence[App] = (App(),),
        *,
        clients: Sequence[App] = (),
        webhook: str | None = None,
        interactivity: str | None = None,
        commands: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        retry_seconds: Sequence[float] = RETRY_AFTER_SECONDS,
        webhook_deadline: float = ACK_DEADLINE_SECONDS,
        faults: Sequence[Fault] = (),
        seed: int = 0,
        **options: Any,
    ) -> None:
        """Take times in seconds; what else may be given says `Options`.

        `clients`: apps that may be installed, but are not yet. Where presses and commands are sent follows
        from the webhook, …/events, unless it is given.
        """
        courier = Courier(webhook, retry_seconds, webhook_deadline, stop_header="X-Slack-No-Retry")
        super().__init__(courier, host, port, faults, seed)
        self.options = Options(**options)
        self.installations = Installations(apps, self.clock)
        self.workspaces = Workspaces(self.timeline, self.clock)
        self.files = Files(self.installations, self.options, self.clock, lambda: self.address)
        self.responses = Responses(self.workspaces, lambda: self.address)
        self.sockets = SocketMode(self.installations, self.options, retry_seconds, webhook_deadline)
        self.oauth = OAuth((*apps, *clients), self.installations, self.options, self.clock)
        self.urls = {"interactivity": interactivity, "commands": commands}
        sender = Sender(courier, self.options, self.sockets, self.urls.get)
        world = World(self.installations, self.workspaces, self.files, sender, self.options, self.clock)
        self.people = People(world, self.responses)
        self.admin = Admin(world)
        self.api = WebApi(world, self.faults, self.oauth, self.sockets)
        self.control = Control(self, self.api.gate)
        self.say = self.people.say
        self._sender = sender
        self._mirror = Mirror(world, self.timeline)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Register the Web API, the files and the control endpoints."""
        router.add_route("*", "/api/{method}", self.api.answer)
        self.files.add_routes(router)
        self.responses.add_routes(router)
        self.oauth.add_routes(router)
        self.sockets.add_routes(router)
        shown = {"apps": self._list_apps, "messages": self._list_messages}
        done: dict[str, Callable[..., Any]] = {"send": self.send, "options": self.set_options}
        done["disconnect"] = self.sockets.disconnect
        done |= {act: getattr(self.people, act) for act in PEOPLES_ACTS}
        done |= {act: getattr(self.admin, act) for act in ADMINS_ACTS}
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

    @property
    def apps(self) -> Sequence[App]:
        """The installed apps."""
        return self.installations.apps

    async def stop(self) -> None:
        """Close the sockets as well, and tell no more."""
        await self._mirror.stop()
        await self.sockets.close()
        await super().stop()

    async def send(self, event: dict[str, Any], *, team: str | None = None, event_id: str | None = None) -> Said:
        """Deliver any inner event; returns after the first attempt."""
        return await self._sender.event(self.app_of(team), event, event_id=event_id)

    def app_of(self, team: str | None) -> App:
        """Return the app installed in the team, the first one for None; raises LookupError."""
        return self.installations.app_of(team)

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
        """Forget messages, files, log, deliveries, faults and counts; the server stays up."""
        super().reset()
        self.workspaces.clear()
        self.files.clear()
        self.api.rates.clear()
        self.api.calls.clear()

    async def _list_apps(self, _: web.Request) -> web.Response:
        return answered({"apps": self.installations.to_json(), "webhook": self.courier.webhook})

    async def _list_messages(self, request: web.Request) -> web.Response:
        query = request.query
        found = self.messages(query["channel"], thread_ts=query.get("thread_ts"), team=query.get("team"))
        return answered({"messages": [message.to_json(metadata=True) for message in found]})

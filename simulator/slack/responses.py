"""`response_url`: where an app answers what was pressed or commanded, five times within half an hour."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from simulator.slack.app import App
from simulator.slack.content import read_content
from simulator.slack.message import Message
from simulator.slack.refusal import Refused
from simulator.slack.workspace import Workspaces

MAX_USES = 5
LIFE_SECONDS = 1800.0


@dataclass(slots=True)
class Way:
    """One response URL: whom it answers, where, and about which message."""

    app: App
    channel: str
    user: str
    message: Message | None
    until: float
    uses: int = 0


class Responses:
    """All response URLs."""

    def __init__(self, workspaces: Workspaces, address: Callable[[], str]) -> None:
        """`address` gives the server's root URL."""
        self._workspaces = workspaces
        self._address = address
        self._ways: dict[str, Way] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Register the URLs."""
        router.add_post("/actions/{secret}", self._respond)

    def url(self, app: App, channel: str, user: str, message: Message | None) -> str:
        """Return a new URL."""
        secret = secrets.token_urlsafe(18)
        self._ways[secret] = Way(app, channel, user, message, self._workspaces.clock.now() + LIFE_SECONDS)
        return f"{self._address()}/actions/{secret}"

    def show(self, way: Way, answer: dict[str, Any]) -> None:
        """Make the answer visible as it asks; raises Refused."""
        team, message = way.app.team, way.message
        if answer.get("delete_original") and message is not None:
            self._workspaces.delete(team, way.channel, message)
            return
        content = read_content(answer)
        if answer.get("replace_original") and message is not None:
            self._workspaces.edit(team, way.channel, message, content)
        elif answer.get("response_type") == "in_channel" or answer.get("replace_original") is False:
            self._workspaces.post(
                team,
                way.channel,
                way.app.bot_user,
                content,
                bot=way.app.bot,
                thread_ts=answer.get("thread_ts"),
            )
        else:
            self._workspaces.whisper(way.app, way.channel, way.user, content, answer.get("thread_ts"))

    async def _respond(self, request: web.Request) -> web.Response:
        way = self._ways.get(request.match_info["secret"])
        if way is None or way.uses >= MAX_USES or way.until <= self._workspaces.clock.now():
            return web.Response(status=404, text="expired_url")
        way.uses += 1
        try:
            self.show(way, orjson.loads(await request.read()))
        except (Refused, ValueError, TypeError, AttributeError) as wrong:
            return web.Response(status=400, text=str(wrong) or "invalid_payload")
        return web.Response(text="ok")

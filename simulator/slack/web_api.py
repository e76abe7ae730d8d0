"""`/api/…`: authentication, and the way from a request to a method and back."""

from dataclasses import replace
from typing import Any

import orjson
from aiohttp import web

from simulator.faults import Fault, Faults
from simulator.gate import Gate
from simulator.slack.app import App
from simulator.slack.arguments import read_arguments, text_of
from simulator.slack.methods import BEFORE, METHODS, Call, Request
from simulator.slack.oauth import OAuth
from simulator.slack.rates import Rates
from simulator.slack.refusal import Limited, Refused
from simulator.slack.scopes import check_scope
from simulator.slack.socket_mode import SocketMode
from simulator.slack.world import World


class WebApi:
    """Slack's Web API for its apps."""

    def __init__(self, world: World, faults: Faults, oauth: OAuth, sockets: SocketMode) -> None:
        self.gate = Gate(faults, self._fail)
        self.calls = self.gate.calls
        self.rates = Rates(world.options, world.clock)
        self._world = world
        self._oauth = oauth
        self._sockets = sockets

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        method = request.match_info["method"]
        try:
            arguments = await read_arguments(request)
        except ValueError:
            return self._no(method, "invalid_json")
        place = text_of(arguments, "channel") or text_of(arguments, "channel_id")
        return await self.gate.admit(request, method, place, lambda: self._perform(request, method, arguments))

    def _perform(self, request: web.Request, method: str, arguments: dict[str, Any]) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or text_of(arguments, "token")
        try:
            before = BEFORE.get(method)
            if before is not None:
                authorization, address = request.headers.get("Authorization", ""), f"http://{request.host}"
                fields = before(Request(arguments, token, authorization, address, self._oauth, self._sockets))
            else:
                fields = self._answer(token, method, arguments)
        except Refused as refused:
            return self._no(method, str(refused), refused.more)
        except Limited as limited:
            return self._limit(method, limited.seconds)
        except (ValueError, TypeError, AttributeError, LookupError):  # an argument of the wrong shape
            return self._no(method, "invalid_arguments")
        self.calls[method, "ok"] += 1
        return _json({"ok": True, **fields})

    def _answer(self, token: str, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        app = self._world.installations.authenticate(token)
        perform = METHODS.get(method)
        if perform is None:
            raise Refused("unknown_method")
        check_scope(app, method, arguments)
        if app.org_wide:
            app = replace(app, team=self._team(app, arguments))
        seconds = self.rates.take(app.team, method)
        if seconds:
            raise Limited(seconds)
        return perform(Call(app, arguments, self._world))

    def _team(self, app: App, arguments: dict[str, Any]) -> str:
        """Return which of an organisation's workspaces is meant: said, or known by its channel."""
        teams = (app.team, *app.workspaces)
        said = text_of(arguments, "team_id")
        if said:
            if said not in teams:
                raise Refused("team_access_not_granted")
            return said
        channel = text_of(arguments, "channel") or text_of(arguments, "channel_id")
        return self._world.workspaces.team_of(teams, channel) or app.team

    def _fail(self, method: str, fault: Fault) -> web.Response:
        if fault.kind == "refuse":
            return self._no(method, fault.error)
        if fault.kind == "rate_limit":
            return self._limit(method, fault.retry_after)
        self.calls[method, str(fault.status)] += 1
        return web.Response(status=fault.status, text="upstream connect error")

    def _limit(self, method: str, seconds: int) -> web.Response:
        self.calls[method, "429"] += 1
        return _json({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(seconds)})

    def _no(self, method: str, error: str, more: dict[str, str] | None = None) -> web.Response:
        self.calls[method, error] += 1
        return _json({"ok": False, "error": error} | (more or {}))


def _json(answer: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(answer), status=status, headers=headers, content_type="application/json")

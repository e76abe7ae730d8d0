"""`/api/…`: authentication, and the way from a request to a method and back."""

from collections.abc import Iterable
from typing import Any

import orjson
from aiohttp import web

from simulator.faults import Fault, Faults
from simulator.gate import Gate
from simulator.slack.app import App
from simulator.slack.arguments import read_arguments, text_of
from simulator.slack.methods import METHODS, Call
from simulator.slack.options import Options
from simulator.slack.refusal import Refused
from simulator.slack.workspace import Workspaces


class WebApi:
    """Slack's Web API for its apps."""

    def __init__(self, apps: Iterable[App], workspaces: Workspaces, faults: Faults, options: Options) -> None:
        self.gate = Gate(faults, self._fail)
        self.calls = self.gate.calls
        self._apps = {app.bot_token: app for app in apps}
        self._workspaces = workspaces
        self._options = options

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
        app = self._apps.get(token)
        if app is None:
            return self._no(method, "invalid_auth" if token else "not_authed")
        perform = METHODS.get(method)
        if perform is None:
            return self._no(method, "unknown_method")
        call = Call(app, arguments, self._workspaces, self._options)
        try:
            fields = perform(call)
        except Refused as refused:
            return self._no(method, str(refused))
        except (ValueError, TypeError, AttributeError):  # an argument of the wrong shape
            return self._no(method, "invalid_arguments")
        self.calls[method, "ok"] += 1
        return _json({"ok": True, **fields})

    def _fail(self, method: str, fault: Fault) -> web.Response:
        if fault.kind == "refuse":
            return self._no(method, fault.error)
        limited = fault.kind == "rate_limit"
        status = 429 if limited else fault.status
        self.calls[method, str(status)] += 1
        if limited:
            return _json({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(fault.retry_after)})
        return web.Response(status=status, text="upstream connect error")

    def _no(self, method: str, error: str) -> web.Response:
        self.calls[method, error] += 1
        return _json({"ok": False, "error": error})


def _json(answer: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(answer), status=status, headers=headers, content_type="application/json")

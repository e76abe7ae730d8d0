"""`/api/…`: authentication, faults, and the way from a request to a method and back."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson
from aiohttp import web

from simulator.app import App
from simulator.arguments import read_arguments, text_of
from simulator.faults import Fault, Faults
from simulator.methods import METHODS, Call
from simulator.refusal import Refused
from simulator.workspace import Workspaces


class WebApi:
    """Slack's Web API for its apps; `calls` counts by method and outcome: "ok", "429", an error's name."""

    def __init__(
        self, apps: Iterable[App], workspaces: Workspaces, faults: Faults, *, honour_client_msg_id: bool
    ) -> None:
        self._apps = {app.bot_token: app for app in apps}
        self._workspaces = workspaces
        self._faults = faults
        self._honour_client_msg_id = honour_client_msg_id
        self._closing = asyncio.Event()
        self.calls: Counter[tuple[str, str]] = Counter()

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one call; a fault in force may do so in the method's place, or take the answer away."""
        method = request.match_info["method"]
        try:
            arguments = await read_arguments(request)
        except ValueError:
            return self._no(method, "invalid_json")
        for fault in self._faults.strike(method, text_of(arguments, "channel") or text_of(arguments, "channel_id")):
            if fault.kind == "latency":
                await asyncio.sleep(fault.delay_seconds)
            elif fault.kind in ("hang_after_delivery", "close_after_delivery"):
                self._perform(request, method, arguments)
                return await self._vanish(request, method, fault)
            elif fault.kind in ("hang_before_delivery", "close_before_delivery"):
                return await self._vanish(request, method, fault)
            else:
                return self._fail(method, fault)
        return self._perform(request, method, arguments)

    def open(self) -> None:
        """Let hangs hang."""
        self._closing.clear()

    def close(self) -> None:
        """End every hang, so that the server can stop."""
        self._closing.set()

    def _perform(self, request: web.Request, method: str, arguments: dict[str, Any]) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or text_of(arguments, "token")
        app = self._apps.get(token)
        if app is None:
            return self._no(method, "invalid_auth" if token else "not_authed")
        perform = METHODS.get(method)
        if perform is None:
            return self._no(method, "unknown_method")
        call = Call(app, arguments, self._workspaces, self._honour_client_msg_id)
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

    async def _vanish(self, request: web.Request, method: str, fault: Fault) -> web.Response:
        """Close the connection without an answer, after a while if the fault is a hang."""
        self.calls[method, fault.kind] += 1
        if fault.kind.startswith("hang"):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), fault.delay_seconds)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    def _no(self, method: str, error: str) -> web.Response:
        self.calls[method, error] += 1
        return _json({"ok": False, "error": error})


def _json(answer: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(answer), status=status, headers=headers, content_type="application/json")

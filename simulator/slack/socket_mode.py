"""Socket Mode: the app opens a WebSocket, gets its events there and acknowledges each."""

import asyncio
import contextlib
import secrets
import time
import uuid
from collections.abc import Coroutine, Sequence
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from simulator.delivery import Attempt
from simulator.slack.app import App
from simulator.slack.installations import Installations
from simulator.slack.options import Options
from simulator.slack.refusal import Refused

# How long an app that was asked to leave may stay.
LEAVE_SECONDS = 10.0


class SocketMode:
    """All open sockets, by app; a ticket opens one."""

    def __init__(
        self, installations: Installations, options: Options, retry_seconds: Sequence[float], deadline: float
    ) -> None:
        """`deadline`: seconds the app has to acknowledge; without it, the same comes again."""
        self._installations = installations
        self._options = options
        self._retry_seconds = tuple(retry_seconds)
        self._deadline = deadline
        self._tickets: dict[str, str] = {}
        self._sockets: dict[str, list[web.WebSocketResponse]] = {}
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._open: set[web.WebSocketResponse] = set()
        self._later: set[asyncio.Task[None]] = set()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Register the WebSocket."""
        router.add_get("/link/", self._connect)

    def open(self, token: str, address: str) -> str:
        """Return a URL that opens one socket for the app of this app-level token; raises Refused."""
        for app in self._installations.apps:
            if app.app_token and app.app_token == token:
                ticket = secrets.token_urlsafe(12)
                self._tickets[ticket] = app.app
                return f"{address.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={app.app}"
        raise Refused("not_allowed_token_type" if token.startswith("xoxb-") else "invalid_auth")

    def connected(self, app_id: str) -> int:
        """Return how many sockets the app holds open."""
        return len(self._sockets.get(app_id, ()))

    async def offer(self, app: App, kind: str, payload: dict[str, Any]) -> Attempt | None:
        """Send it to one of the app's sockets and wait for the acknowledgement; None where there is none."""
        if not self._sockets.get(app.app):
            return None
        attempt = await self._attempt(app, kind, payload, 0, "")
        if attempt.reason and kind == "events_api":
            self._do_later(self._retry(app, payload))
        return attempt

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask all apps to open new sockets and close these: "refresh_requested", "warning" or "link_disabled"."""
        for app, sockets in list(self._sockets.items()):
            for socket in list(sockets):
                await self._part(app, socket, reason)

    async def close(self) -> None:
        """Close all sockets and give up repeating."""
        for task in self._later:
            task.cancel()
        for socket in list(self._open):
            await socket.close()

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        app = self._tickets.pop(request.query.get("ticket", ""), None)
        if app is None:
            return web.Response(status=404)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        mine = self._sockets.setdefault(app, [])
        mine.append(socket)
        self._open.add(socket)
        await socket.send_json(
            {
                "type": "hello",
                "num_connections": len(mine),
                "connection_info": {"app_id": app},
                "debug_info": {
                    "host": "simulator",
                    "approximate_connection_time": self._options.socket_seconds or 18060,
                },
            }
        )
        ending = asyncio.create_task(self._end_in_time(app, socket))
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self._acknowledge(message.data)
        finally:
            ending.cancel()
            self._open.discard(socket)
            self._forget(app, socket)
        return socket

    async def _end_in_time(self, app: str, socket: web.WebSocketResponse) -> None:
        if self._options.socket_seconds:
            await asyncio.sleep(self._options.socket_seconds)
            await self._part(app, socket, "refresh_requested")

    async def _part(self, app: str, socket: web.WebSocketResponse, reason: str) -> None:
        """Send nothing more through this socket; the app has some seconds to leave by itself."""
        self._forget(app, socket)
        with contextlib.suppress(ConnectionError):
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "simulator"}})
        self._do_later(self._close_in_time(socket))

    async def _close_in_time(self, socket: web.WebSocketResponse) -> None:
        await asyncio.sleep(LEAVE_SECONDS)
        await socket.close()

    def _forget(self, app: str, socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ValueError):
            self._sockets[app].remove(socket)

    def _do_later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def _acknowledge(self, text: str) -> None:
        with contextlib.suppress(ValueError, AttributeError):
            acknowledged = orjson.loads(text)
            waiting = self._waiting.pop(acknowledged.get("envelope_id", ""), None)
            if waiting is not None and not waiting.done():
                answer = acknowledged.get("payload")
                waiting.set_result(orjson.dumps(answer).decode() if answer else "")

    async def _retry(self, app: App, payload: dict[str, Any]) -> None:
        for number, seconds in enumerate(self._retry_seconds, start=1):
            await asyncio.sleep(seconds)
            attempt = await self._attempt(app, "events_api", payload, number, "timeout")
            if not attempt.reason:
                return

    async def _attempt(self, app: App, kind: str, payload: dict[str, Any], retry: int, reason: str) -> Attempt:
        began, envelope_id, sockets = time.time(), str(uuid.uuid4()), self._sockets.get(app.app)
        if not sockets:
            return Attempt(began, 0.0, None, "connection_failed")
        waiting = self._waiting[envelope_id] = asyncio.get_running_loop().create_future()
        envelope = {
            "envelope_id": envelope_id,
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": retry, "retry_reason": reason}
        try:
            await sockets[-1].send_json(envelope)
            answer = await asyncio.wait_for(waiting, self._deadline)
        except (TimeoutError, ConnectionError) as error:
            self._waiting.pop(envelope_id, None)
            why = "http_timeout" if isinstance(error, TimeoutError) else "connection_failed"
            return Attempt(began, time.time() - began, None, why)
        return Attempt(began, time.time() - began, 200, "", answer)

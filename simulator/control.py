"""`/_simulator/…`: what a person, a test or a checker does and sees; only for programs on this machine."""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, is_dataclass
from ipaddress import ip_address
from typing import Any

import orjson
from aiohttp import web

from simulator.faults import Fault
from simulator.gate import Gate
from simulator.vendor import Vendor

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """The control endpoints of one vendor's server."""

    def __init__(self, vendor: Vendor, gate: Gate) -> None:
        self._vendor = vendor
        self._gate = gate
        self._streams: set[asyncio.Task[None]] = set()

    def add_routes(
        self, router: web.UrlDispatcher, shown: Mapping[str, Answer], done: Mapping[str, Callable[..., Any]]
    ) -> None:
        """Register the endpoints: those of every vendor, what else this one shows, and what can be done in it.

        What is done takes the fields of a JSON object as its arguments.
        """
        routes: dict[tuple[str, str], Answer] = {
            ("GET", "log"): self.log,
            ("GET", "events"): self.events,
            ("GET", "deliveries"): self.deliveries,
            ("GET", "calls"): self.calls,
            ("GET", "faults"): self.faults,
            ("POST", "faults"): self.add_faults,
            ("DELETE", "faults"): self.clear_faults,
        }
        routes |= {("GET", name): answer for name, answer in shown.items()}
        acts: dict[str, Callable[..., Any]] = {"clock": self.clock, "reset": self._vendor.reset, **done}
        routes |= {("POST", name): _acting(name, act) for name, act in acts.items()}
        for (verb, name), answer in routes.items():
            router.add_route(verb, f"/_simulator/{name}", _local_only(answer))

    def close(self) -> None:
        """End all event streams, so that the server can stop."""
        for stream in self._streams:
            stream.cancel()

    async def log(self, request: web.Request) -> web.Response:
        """Return {entries, next}: what was visible from ?since= on, at most ?limit= entries."""
        since, limit = int(request.query.get("since", 0)), int(request.query.get("limit", 1_000_000))
        entries = self._vendor.log[since : since + limit]
        return answered({"entries": entries, "next": since + len(entries)})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream the log as server-sent events from ?since= (default: now) on, of one ?channel= or all."""
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        since, channel = request.query.get("since"), request.query.get("channel")
        follow = self._vendor.follow(len(self._vendor.log) if since is None else int(since))
        await stream.prepare(request)
        await stream.write(b": connected\n\n")

        async def pass_on() -> None:
            async for entry in follow:
                if channel in (None, entry.channel):
                    await stream.write(b"id: %d\ndata: %b\n\n" % (entry.seq, orjson.dumps(entry)))

        task = asyncio.create_task(pass_on())
        self._streams.add(task)
        task.add_done_callback(self._streams.discard)
        with contextlib.suppress(ConnectionResetError, asyncio.CancelledError):
            await task
        return stream

    async def deliveries(self, request: web.Request) -> web.Response:
        """Return the events sent to the webhook from ?since= on, with their attempts."""
        since = int(request.query.get("since", 0))
        return answered({"deliveries": [item.to_json() for item in self._vendor.deliveries[since:]]})

    async def calls(self, _: web.Request) -> web.Response:
        """Count the API's requests as {method: {outcome: count}}."""
        counts: dict[str, dict[str, int]] = {}
        for (method, outcome), count in self._gate.calls.items():
            counts.setdefault(method, {})[outcome] = count
        return answered({"calls": counts})

    async def faults(self, _: web.Request) -> web.Response:
        """List the rules in force, with what is left of them."""
        return answered({"faults": [asdict(rule) for rule in self._vendor.faults.rules]})

    async def add_faults(self, request: web.Request) -> web.Response:
        """Add one rule or a list of rules; see `Fault` for the fields."""
        wanted = orjson.loads(await request.read())
        rules = [Fault.from_json(rule) for rule in (wanted if isinstance(wanted, list) else [wanted])]
        self._vendor.faults.rules += rules
        return await self.faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Let everything go well again."""
        self._vendor.faults.rules.clear()
        return await self.faults(request)

    def clock(self, advance_seconds: float = 0.0) -> dict[str, float]:
        """Put the clock forward and tell how far it is ahead."""
        return {"ahead_seconds": self._vendor.clock.advance(advance_seconds), "now": self._vendor.clock.now()}


def answered(fields: Mapping[str, Any], status: int = 200) -> web.Response:
    """Return {ok: true} and the fields as JSON."""
    body = orjson.dumps({"ok": status < 400, **fields})
    return web.Response(body=body, status=status, content_type="application/json")


def _acting(name: str, act: Callable[..., Any]) -> Answer:
    parameters = inspect.signature(act).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    taken = set(parameters)

    async def answer(request: web.Request) -> web.Response:
        fields = orjson.loads(await request.read() or b"{}")
        if not isinstance(fields, dict):
            raise TypeError("the body must be a JSON object")
        if set(fields) - taken and not open_ended:
            raise ValueError(f"{name} takes {', '.join(sorted(taken)) or 'nothing'}.")
        found = act(**fields)
        return answered(_fields(await found if inspect.isawaitable(found) else found))

    return answer


def _fields(found: Any) -> dict[str, Any]:
    if is_dataclass(found) and not isinstance(found, type):
        return asdict(found)
    if isinstance(found, list):
        return {"sent": [_fields(one) for one in found]}
    return found if isinstance(found, dict) else {}


def _local_only(answer: Answer) -> Answer:
    async def guarded(request: web.Request) -> web.StreamResponse:
        # A browser names the page it acts for: a web page must not speak through a server on this machine.
        if "Origin" in request.headers or not ip_address(request.remote or "0.0.0.0").is_loopback:  # noqa: S104
            return answered({"error": "only programs on this machine may use this"}, 403)
        try:
            return await answer(request)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            return answered({"error": f"The request makes no sense: {error}"}, 400)

    return guarded

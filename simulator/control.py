"""`/_simulator/…`: what a person, a test or a checker does and sees; only for programs on this machine."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from simulator.faults import Fault

if TYPE_CHECKING:
    from simulator.slack import SlackSimulator

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
SAY_FIELDS = frozenset({"text", "channel", "user", "team", "thread_ts", "kind", "event_id", "copies"})


class Control:
    """The control endpoints of one simulator."""

    def __init__(self, slack: "SlackSimulator") -> None:
        self._slack = slack
        self._streams: set[asyncio.Task[None]] = set()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Register every endpoint."""
        routes: dict[tuple[str, str], Answer] = {
            ("GET", "apps"): self.apps,
            ("POST", "say"): self.say,
            ("POST", "send"): self.send,
            ("GET", "log"): self.log,
            ("GET", "events"): self.events,
            ("GET", "messages"): self.messages,
            ("GET", "deliveries"): self.deliveries,
            ("GET", "calls"): self.calls,
            ("GET", "faults"): self.faults,
            ("POST", "faults"): self.add_faults,
            ("DELETE", "faults"): self.clear_faults,
            ("POST", "reset"): self.reset,
        }
        for (verb, name), answer in routes.items():
            router.add_route(verb, f"/_simulator/{name}", _local_only(answer))

    def close(self) -> None:
        """End all event streams, so that the server can stop."""
        for stream in self._streams:
            stream.cancel()

    async def apps(self, _: web.Request) -> web.Response:
        """List the installed apps; secrets stay here."""
        secret = ("bot_token", "signing_secret")
        apps = [{k: v for k, v in asdict(app).items() if k not in secret} for app in self._slack.apps]
        return _json({"ok": True, "apps": apps, "webhook": self._slack.courier.webhook})

    async def say(self, request: web.Request) -> web.Response:
        """Say {text, channel?, user?, team?, thread_ts?, kind?, event_id?, copies?} as a person."""
        wanted = await _object(request)
        unknown = set(wanted) - SAY_FIELDS
        if unknown or not isinstance(wanted.get("text"), str):
            raise ValueError(f"say takes text and {', '.join(sorted(SAY_FIELDS - {'text'}))}.")
        return _json({"ok": True, **asdict(await self._slack.say(wanted.pop("text"), **wanted))})

    async def send(self, request: web.Request) -> web.Response:
        """Deliver {event, team?, event_id?}: any inner event."""
        wanted = await _object(request)
        said = await self._slack.send(wanted["event"], team=wanted.get("team"), event_id=wanted.get("event_id"))
        return _json({"ok": True, **asdict(said)})

    async def log(self, request: web.Request) -> web.Response:
        """Return {entries, next}: what was visible from ?since= on, at most ?limit= entries."""
        since, limit = int(request.query.get("since", 0)), int(request.query.get("limit", 1_000_000))
        entries = self._slack.log[since : since + limit]
        return _json({"ok": True, "entries": entries, "next": since + len(entries)})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream the log as server-sent events from ?since= (default: now) on, of one ?channel= or all."""
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        since, channel = request.query.get("since"), request.query.get("channel")
        follow = self._slack.follow(len(self._slack.log) if since is None else int(since))
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

    async def messages(self, request: web.Request) -> web.Response:
        """Return what reads in ?channel= now, or in its thread ?thread_ts=; ?team= if there are several."""
        query = request.query
        found = self._slack.messages(query["channel"], thread_ts=query.get("thread_ts"), team=query.get("team"))
        return _json({"ok": True, "messages": [message.to_json(metadata=True) for message in found]})

    async def deliveries(self, request: web.Request) -> web.Response:
        """Return the events sent to the webhook from ?since= on, with their attempts."""
        since = int(request.query.get("since", 0))
        return _json({"ok": True, "deliveries": [item.to_json() for item in self._slack.deliveries[since:]]})

    async def calls(self, _: web.Request) -> web.Response:
        """Count the Web API's requests as {method: {outcome: count}}."""
        counts: dict[str, dict[str, int]] = {}
        for (method, outcome), count in self._slack.api.calls.items():
            counts.setdefault(method, {})[outcome] = count
        return _json({"ok": True, "calls": counts})

    async def faults(self, _: web.Request) -> web.Response:
        """List the rules in force, with what is left of them."""
        return _json({"ok": True, "faults": [asdict(rule) for rule in self._slack.faults.rules]})

    async def add_faults(self, request: web.Request) -> web.Response:
        """Add one rule or a list of rules; see `Fault` for the fields."""
        wanted = orjson.loads(await request.read())
        rules = [Fault.from_json(rule) for rule in (wanted if isinstance(wanted, list) else [wanted])]
        self._slack.faults.rules += rules
        return await self.faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Let everything go well again."""
        self._slack.faults.rules.clear()
        return await self.faults(request)

    async def reset(self, _: web.Request) -> web.Response:
        """Forget everything."""
        self._slack.reset()
        return _json({"ok": True})


def _local_only(answer: Answer) -> Answer:
    async def guarded(request: web.Request) -> web.StreamResponse:
        # A browser names the page it acts for: a web page must not speak through a server on this machine.
        if "Origin" in request.headers or not ip_address(request.remote or "0.0.0.0").is_loopback:  # noqa: S104
            return _json({"ok": False, "error": "only programs on this machine may use this"}, 403)
        try:
            return await answer(request)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            return _json({"ok": False, "error": f"The request makes no sense: {error}"}, 400)

    return guarded


async def _object(request: web.Request) -> dict[str, Any]:
    wanted = orjson.loads(await request.read())
    if not isinstance(wanted, dict):
        raise TypeError("the body must be a JSON object")
    return wanted


def _json(answer: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(answer), status=status, content_type="application/json")

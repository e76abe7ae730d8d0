"""The API's door: keys, forms, idempotency, faults, errors; what the calls do is in the modules of ROUTES."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from simulator.faults import Fault, Faults
from simulator.gate import Gate
from simulator.stripe import catalog, customers, form, happenings, hosted, invoices, meters, subscriptions
from simulator.stripe.account import API_VERSION
from simulator.stripe.calendar import Calendar
from simulator.stripe.call import Call, Route
from simulator.stripe.idempotency import Answers
from simulator.stripe.refusal import Refused
from simulator.stripe.store import Thing, new_id
from simulator.stripe.world import Cause, World

# A resource of its own module is one more entry here.
ROUTES: tuple[Route, ...] = (
    *customers.ROUTES,
    *catalog.ROUTES,
    *subscriptions.ROUTES,
    *invoices.ROUTES,
    *hosted.ROUTES,
    *happenings.ROUTES,
    *meters.ROUTES,
)


class StripeApi:
    """Calls count under the names of their routes: "customers.create", "checkout.sessions.create"."""

    def __init__(self, world: World, calendar: Calendar, faults: Faults) -> None:
        self.gate = Gate(faults, self._fail)
        self.calls = self.gate.calls
        self.answers = Answers(world.clock)
        self._world = world
        self._calendar = calendar

    def add_routes(self, router: web.UrlDispatcher, routes: Iterable[Route] = ROUTES) -> None:
        """Register the API; a path without a placeholder wins over one with."""
        for route in sorted(routes, key=lambda route: route.path.count("{")):
            router.add_route(route.verb, route.path, self._endpoint(route))
        router.add_route("*", "/{version:v1|v2}/{rest:.*}", self._unknown)

    def _endpoint(self, route: Route) -> Any:
        async def endpoint(request: web.Request) -> web.StreamResponse:
            body = await request.read()

            def perform() -> web.Response:
                return self._perform(request, route, body)

            return await self.gate.admit(request, route.name, request.match_info.get("id", ""), perform)

        return endpoint

    def _perform(self, request: web.Request, route: Route, body: bytes) -> web.Response:
        try:
            self._check_up()
            self._check_key(request)
            params = _params(request, body)
            key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
            known = self.answers.recall(key, request.path, params) if key else None
            if known is not None:
                self.calls[route.name, "replayed"] += 1
                return _json(known[1], known[0], {"Idempotent-Replayed": "true"})
            status, answer = self._done(request, route, params)
            if key and status != 404:
                self.answers.keep(key, request.path, params, status, answer)
        except Refused as refused:
            status, answer = refused.status, refused.answer()
            self.calls[route.name, refused.code] += 1
        return _json(answer, status)

    def _done(self, request: web.Request, route: Route, params: Thing) -> tuple[int, Thing]:
        self._calendar.catch_up()
        self._world.cause = Cause(new_id("req"), request.headers.get("Idempotency-Key"))
        try:
            answer = route.perform(self._world, Call(params, tuple(request.match_info.values()), request.path))
        except Refused as refused:
            if refused.status != 402:
                raise
            self.calls[route.name, refused.code] += 1
            return refused.status, refused.answer()
        except (ValueError, TypeError, AttributeError, LookupError) as error:  # something of the wrong shape
            raise Refused(f"Received a parameter of the wrong shape: {error}") from error
        finally:
            self._world.cause = Cause()
        self.calls[route.name, "ok"] += 1
        return 200, self._world.store.expand(answer, params.get("expand"))

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        self.calls[request.path, "unknown"] += 1
        told = f"Unrecognized request URL ({request.method}: {request.path})."
        return _json(Refused(told).answer(), 404)

    def _check_up(self) -> None:
        if self._world.now() < self._world.options.down_until:
            raise Refused("Stripe is down.", status=503, kind="api_error", code="down")

    def _check_key(self, request: web.Request) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or key != self._world.account.secret_key:
            raise Refused("Invalid API Key provided.", status=401, code="invalid_api_key")

    def _fail(self, method: str, fault: Fault) -> web.Response:
        if fault.kind == "rate_limit":
            self.calls[method, "429"] += 1
            limited = Refused("Too many requests.", status=429, code="rate_limit").answer()
            return _json(limited, 429, {"Retry-After": str(fault.retry_after)})
        if fault.kind == "refuse":
            self.calls[method, fault.error] += 1
            kind = "card_error" if fault.error == "card_declined" else "invalid_request_error"
            return _json(Refused(f"Refused: {fault.error}", kind=kind, code=fault.error).answer(), 400)
        self.calls[method, str(fault.status)] += 1
        return _json(Refused("Something went wrong.", kind="api_error").answer(), fault.status)


def _params(request: web.Request, body: bytes) -> Thing:
    if request.method in ("GET", "DELETE"):
        return form.parse(request.query.items())
    if request.content_type == "application/json":
        try:
            found = orjson.loads(body or b"{}")
        except ValueError:
            raise Refused("The body is not JSON.") from None
        if not isinstance(found, dict):
            raise Refused("The body is not a JSON object.")
        return found

    return form.parse(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _json(answer: Thing, status: int = 200, more: dict[str, str] | None = None) -> web.Response:
    headers = {"Request-Id": new_id("req"), "Stripe-Version": API_VERSION, **(more or {})}
    return web.Response(body=orjson.dumps(answer), status=status, content_type="application/json", headers=headers)

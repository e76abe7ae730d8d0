"""The HTTP routes of the installation."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import orjson
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from deployments.doors.slack import SlackDoor
from deployments.webhooks import MAX_BODY_BYTES, Door, Intake
from konstruct.directory import Directory

if TYPE_CHECKING:
    from deployments.readiness import Readiness


def routes(intake: Intake, directory: Directory, readiness: "Readiness") -> FastAPI:
    """The application to serve."""
    app = FastAPI(title="Konstruct", openapi_url=None)
    # Plain Starlette routes: FastAPI's argument handling would cost more than all of our own work.
    slack = SlackDoor(intake, directory)
    app.add_route("/slack/events", _capped(intake.guarded("slack", slack.events)), methods=["POST"])

    async def healthz(_request: Request) -> Response:
        return _json(200, {"ok": True})

    async def readyz(_request: Request) -> Response:
        report = await readiness.check()
        return _json(200 if report["ready"] else 503, report)

    app.add_route("/healthz", healthz, methods=["GET"])
    app.add_route("/readyz", readyz, methods=["GET"])
    return app


def _capped(receive: Door) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            body = await _body(request)
        except ClientDisconnect:
            return _json(400, {"error": "The connection closed before the body was whole."})
        if body is None:
            return _json(413, {"error": f"The body is over {MAX_BODY_BYTES} bytes."})
        answer = await receive(dict(request.headers), body)
        return Response(answer.body, answer.status, media_type=answer.media_type)

    return endpoint


async def _body(request: Request) -> bytes | None:
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        return None
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _json(status: int, content: object) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")

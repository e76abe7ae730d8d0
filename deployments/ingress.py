"""The HTTP routes of the installation."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import orjson
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.admin.door import AdminDoor
from deployments.admin.parts import Parts
from deployments.doors.slack import SlackDoor
from deployments.doors.slack_install import SlackInstall
from deployments.doors.slack_reach import SlackReach
from deployments.doors.stripe import ACK_SECONDS as STRIPE_SECONDS
from deployments.doors.stripe import StripeDoor, welcome_back
from deployments.doors.web_chat import WebChatDoor
from deployments.doors.whatsapp import WhatsAppDoor
from deployments.webhooks import Guarded, HttpAnswer, Intake, Page
from konstruct.database.pool import Database
from konstruct.database.web_messages import WebMessages
from konstruct.directory import Directory
from konstruct.settings import Settings
from konstruct.vault import Vault

if TYPE_CHECKING:
    from deployments.readiness import Readiness


def routes(
    intake: Intake, directory: Directory, readiness: "Readiness", settings: Settings, database: Database
) -> "Ingress":
    """The application to serve."""
    app = FastAPI(title="Konstruct", openapi_url=None)

    async def healthz(_request: Request) -> Response:
        return _json(200, {"ok": True})

    async def readyz(_request: Request) -> Response:
        report = await readiness.check()
        return _json(200 if report["ready"] else 503, report)

    app.add_route("/healthz", healthz, methods=["GET"])
    app.add_route("/readyz", readyz, methods=["GET"])
    _add_web_chat(app, WebChatDoor(intake, directory, WebMessages(database), settings.public_url))
    vault = Vault(settings.master_keys)
    reach = SlackReach(settings, database, vault)
    install = SlackInstall(settings, database, vault, reach)
    app.add_route("/slack/install", _page(install.begin), methods=["GET"])
    app.add_route("/stripe/return", _page(welcome_back), methods=["GET"])
    app.add_route("/slack/oauth/callback", _page(install.finish), methods=["GET"])
    slack = SlackDoor(intake, directory, database, reach, settings, vault=vault)
    whatsapp = WhatsAppDoor(intake, directory, database)
    stripe = StripeDoor(intake, database, settings, vault)
    app.add_route("/whatsapp/webhook", _page(whatsapp.subscribe), methods=["GET"])
    doors = {
        "/slack/events": intake.guarded("slack", slack.events),
        "/slack/interactivity": intake.guarded("slack", slack.interactivity),
        "/slack/commands": intake.guarded("slack", slack.commands),
        "/whatsapp/webhook": intake.guarded("whatsapp", whatsapp.webhook),
        "/stripe/webhook": intake.guarded("stripe", stripe.webhook, STRIPE_SECONDS),
    }
    return Ingress(doors, AdminDoor(app, Parts(settings, database, vault)), reach)


def _add_web_chat(app: FastAPI, web: WebChatDoor) -> None:
    app.add_route("/web/{site}", web.page, methods=["GET"])
    app.add_route("/web/{site}/messages", web.post, methods=["POST"])
    app.add_route("/web/{site}/messages", web.preflight, methods=["OPTIONS"])
    app.add_route("/web/{site}/events", web.events, methods=["GET"])
    app.add_route("/web/{site}/events", web.preflight, methods=["OPTIONS"])


class Ingress:
    """POSTs to a door go straight to it: the framework would cost more than all of our own work."""

    def __init__(self, doors: Mapping[str, Guarded], others: ASGIApp, reach: SlackReach) -> None:
        """`doors`: by path; `others` answers everything else."""
        self._doors = doors
        self._others = others
        self._reach = reach

    async def stop(self) -> None:
        """Close what the doors opened."""
        await self._reach.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        door = self._doors.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if door is None:
            await self._others(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            answer = await door(headers, receive)
        except ClientDisconnect:
            return
        await _send(answer, send)


async def _send(answer: HttpAnswer, send: Send) -> None:
    headers = [(b"content-length", b"%d" % len(answer.body)), (b"content-type", answer.media_type.encode())]
    headers += [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _page(show: Page) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        answer = await show(dict(request.headers), dict(request.query_params))
        return Response(answer.body, answer.status, answer.headers, answer.media_type)

    return endpoint


def _json(status: int, content: object) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")

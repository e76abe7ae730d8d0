"""The web chat's door: the page, what visitors send, and the stream of what is visible to them."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import orjson
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from deployments.doors.web_allowance import Allowance
from deployments.doors.web_page import page
from deployments.doors.web_stream import WebStreams
from deployments.webhooks import ACK_SECONDS, HttpAnswer, Intake, said
from konstruct.channels import web_chat
from konstruct.database.tenants import ChannelRow
from konstruct.database.web_messages import WebMessages
from konstruct.directory import Directory
from konstruct.errors import KonstructError, SignatureRejected
from konstruct.identity import shard_of
from konstruct.messages import Address, Inbound

log = structlog.get_logger()

MAX_BODY_BYTES = 64 * 1024
CORS_SECONDS = 600

Endpoint = Callable[["WebChatDoor", Request], Awaitable[Response]]


def _answered(endpoint: Endpoint) -> Endpoint:
    """Every failure has its answer, in time."""

    @functools.wraps(endpoint)
    async def answered(self: "WebChatDoor", request: Request) -> Response:
        try:
            async with asyncio.timeout(ACK_SECONDS):
                return await endpoint(self, request)
        except (KonstructError, TimeoutError) as error:
            log.warning("web chat cannot answer", reason=str(error))
            return _plain(said(503, "The chat cannot be reached now; please try again."))

    return answered


class WebChatDoor:
    """Any replica serves any visitor: everything is in PostgreSQL."""

    def __init__(self, intake: Intake, directory: Directory, messages: WebMessages, public_url: str) -> None:
        """Nothing is opened here."""
        # Behind a proxy that names another host, a browser still says where our own page came from.
        self._own = "://".join(urlsplit(public_url)[:2])
        self._intake = intake
        self._directory = directory
        self._messages = messages
        self._allowance = Allowance()
        self._streams = WebStreams(messages)

    @_answered
    async def page(self, request: Request) -> Response:
        """The page itself; who may see what is decided by the token, which never reaches this address."""
        channel = await self._channel(request)
        name = await self._messages.employee(channel.tenant, channel.employee) if channel else None
        if channel is None or name is None:
            return _plain(said(404, "There is no such chat."))
        return page(name, channel.options.get("origins", ()))

    async def post(self, request: Request) -> Response:
        """One message of a visitor: 200 only when stored, however often it is sent."""
        allowed: dict[str, str] = {}

        async def take(headers: Mapping[str, str], body: bytes) -> HttpAnswer:
            channel, found = await self._admitted(request)
            if channel is None:
                return said(403, "This chat may not be used from there.")
            allowed.update(found)
            return await self._take(channel, _token(headers), body)

        door = self._intake.guarded("web", take, most_bytes=MAX_BODY_BYTES)
        try:
            return _plain(await door(request.headers, request.receive), allowed)
        except ClientDisconnect:
            return _plain(said(400, "The connection closed before the body was whole."))

    @_answered
    async def events(self, request: Request) -> Response:
        """Server-sent events of what is visible; `Last-Event-ID` resumes after a number."""
        channel, headers = await self._admitted(request)
        if channel is None:
            return _plain(said(403, "This chat may not be used from there."))
        try:
            visitor = _visitor(channel, _token(request.headers))
        except SignatureRejected as rejected:
            return _plain(said(401, str(rejected)), headers)
        place = web_chat.conversation(channel.tenant, _address(channel, visitor))
        if not self._streams.room(channel.tenant, place):
            return _plain(said(503, "Too many chats are open here; please try again."), headers)
        seen = request.headers.get("last-event-id", "0")
        after = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 19 else 0
        headers |= {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            self._streams.follow(channel.tenant, place, after), media_type="text/event-stream", headers=headers
        )

    @_answered
    async def preflight(self, request: Request) -> Response:
        """What a page on another of the site's own addresses may send."""
        channel, headers = await self._admitted(request)
        if channel is None:
            return _plain(said(403, "This chat may not be used from there."))
        headers |= {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "authorization, content-type, last-event-id",
            "Access-Control-Max-Age": str(CORS_SECONDS),
        }
        return Response(None, 204, headers)

    async def _take(self, channel: ChannelRow, token: str, body: bytes) -> HttpAnswer:
        visitor = _visitor(channel, token)
        message = web_chat.parse(body)
        if isinstance(message, web_chat.Unreadable):
            return said(400, message.reason)
        address = _address(channel, visitor)
        place = web_chat.conversation(channel.tenant, address)
        if wait := self._allowance.wait(place, time.monotonic()):
            return said(429, f"That is too fast; please wait {wait:.0f} seconds.")
        # Its place is taken before anybody can answer; it is shown when it is durable.
        await self._messages.say(channel.tenant, place, message.id, "contact", message.text, final=False)
        await self._intake.hear(
            Inbound(
                tenant=channel.tenant,
                channel="web",
                event=f"{channel.team}:{visitor}:{message.id}",
                conversation=place,
                shard=shard_of(place),
                address=address,
                contact=visitor,
                text=message.text,
                source_id=str(message.id),
            )
        )
        await self._messages.say(channel.tenant, place, message.id, "contact", message.text, final=True)
        self._streams.stir(place)
        return HttpAnswer(200, orjson.dumps({"id": str(message.id)}))

    async def _admitted(self, request: Request) -> tuple[ChannelRow | None, dict[str, str]]:
        """The site's channel and the headers of an answer to this origin; None where it may not come from there."""
        origin = request.headers.get("origin")
        channel = await self._channel(request)
        if channel is None or origin is None:
            return channel, {}
        if origin in channel.options.get("origins", ()):
            return channel, {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        own = origin == self._own or origin.partition("://")[2] == request.headers.get("host")
        return (channel if own else None), {}

    async def _channel(self, request: Request) -> ChannelRow | None:
        return (await self._directory.find("web", "", str(request.path_params["site"])[:64])).own


def _visitor(channel: ChannelRow, token: str) -> str:
    return web_chat.verify(token, channel.team, [channel.secrets["signing_secret"]], time.time())


def _address(channel: ChannelRow, visitor: str) -> Address:
    return Address(channel.team, visitor, private=True)


def _token(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _plain(answer: HttpAnswer, headers: Mapping[str, str] | None = None) -> Response:
    return Response(answer.body, answer.status, headers, answer.media_type)

"""The Graph API's routes: tokens, faults, and the way from a request to an answer and back."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from simulator.faults import Fault, Faults
from simulator.gate import Gate
from simulator.whatsapp.media import Media
from simulator.whatsapp.number import Number
from simulator.whatsapp.refusal import Refused
from simulator.whatsapp.sending import Sending
from simulator.whatsapp.world import World

RATE_LIMIT_CODE = 130429
Perform = Callable[[], Awaitable[web.Response] | web.Response]


class GraphApi:
    """Calls count as "messages", "read", "media" (its description), "upload", "download", "delete", "number"."""

    def __init__(self, world: World, sending: Sending, faults: Faults) -> None:
        self.gate = Gate(faults, self._fail)
        self.calls = self.gate.calls
        self._world = world
        self._sending = sending

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Register the API and the downloads."""
        version = r"/{version:v\d+\.\d+}"
        router.add_post(version + "/{id}/messages", self.messages)
        router.add_post(version + "/{id}/media", self.upload)
        router.add_route("*", version + "/{id}", self.object)
        router.add_post(version + "/{id}/{edge:register|deregister|subscribed_apps}", self.agree)
        router.add_get("/whatsapp_business/attachments/", self.download)

    async def messages(self, request: web.Request) -> web.StreamResponse:
        """Send, or mark as read."""
        try:
            body = orjson.loads(await request.read())
        except ValueError:
            body = None
        wanted = body if isinstance(body, dict) else {}
        method = "read" if wanted.get("status") else "messages"
        place = str(wanted.get("to") or wanted.get("recipient") or "")

        def perform() -> web.Response:
            number = self._number(request)
            if not isinstance(body, dict):
                raise Refused(100, "The body is not a JSON object.")
            return _json(self._sending.send(number, body))

        return await self._admit(request, method, place, perform)

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Take a file: a form with messaging_product, type and file."""
        form = await request.post()

        def perform() -> web.Response:
            number, file = self._number(request), form.get("file")
            if form.get("messaging_product") != "whatsapp" or not isinstance(file, web.FileField):
                raise Refused(100, "An upload needs messaging_product and file.")
            kind, content = str(form.get("type") or file.content_type), file.file.read()
            media = self._world.media.add(number, kind, content, filename=file.filename, by_user=False)
            return _json({"id": media.id})

        return await self._admit(request, "upload", "", perform)

    async def object(self, request: web.Request) -> web.StreamResponse:
        """Describe a number or a file, or remove a file."""
        id_ = request.match_info["id"]
        mine = any(id_ == number.phone_number_id for number in self._world.numbers)
        method = "number" if mine else "delete" if request.method == "DELETE" else "media"

        def perform() -> web.Response:
            if mine:
                number = self._number(request)
                shown = {"display_phone_number": number.display_phone_number, "verified_name": number.name}
                return _json(shown | {"id": id_, "quality_rating": "GREEN", "status": "CONNECTED"})
            media = self._media(request)
            if request.method == "DELETE":
                self._world.media.remove(media)
                return _json({"success": True})
            return _json(self._world.media.describe(media))

        return await self._admit(request, method, id_, perform)

    async def agree(self, request: web.Request) -> web.StreamResponse:
        """Register a number, or subscribe an app to an account: always well."""

        def perform() -> web.Response:
            self._owner(request)
            return _json({"success": True})

        return await self._admit(request, request.match_info["edge"], "", perform)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Return a file's bytes."""

        def perform() -> web.Response:
            media = self._world.media.open(request.query.get("hash", ""))
            if self._world.options.redirect_media_to:
                return web.Response(status=302, headers={"Location": self._world.options.redirect_media_to})
            if self._owner(request).access_token != media.number.access_token:
                raise Refused(190, "The token is another app's.")
            headers = {"Content-Type": media.mime_type}
            return web.Response(body=media.content, headers=headers)

        return await self._admit(request, "download", request.query.get("mid", ""), perform)

    async def _admit(self, request: web.Request, method: str, place: str, perform: Perform) -> web.StreamResponse:
        def performed() -> web.Response:
            try:
                answer = perform()
            except Refused as refused:
                return self._no(method, refused)
            except (ValueError, TypeError, AttributeError, LookupError):  # something of the wrong shape
                return self._no(method, Refused(100))
            self.calls[method, "ok"] += 1
            assert isinstance(answer, web.Response)  # noqa: S101 - none of them waits
            return answer

        return await self.gate.admit(request, method, place, performed)

    def _owner(self, request: web.Request) -> Number:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or request.query.get("access_token")
        for number in self._world.numbers:
            if number.access_token == token:
                return number
        raise Refused(190, "The access token could not be decrypted.")

    def _number(self, request: web.Request) -> Number:
        self._owner(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        for number in self._world.numbers:
            if number.phone_number_id == request.match_info["id"] and number.access_token == token:
                return number
        raise Refused(100, "No such object, or no permission to see it.", subcode=33)

    def _media(self, request: web.Request) -> Media:
        media = None
        token = self._owner(request).access_token
        for number in self._world.numbers:
            if number.access_token == token:
                media = media or self._world.media.find(number, request.match_info["id"])
        wanted = request.query.get("phone_number_id")
        if media is None or wanted not in (None, media.number.phone_number_id):
            raise Refused(100, "No such object, or no permission to see it.", subcode=33)
        return media

    def _fail(self, method: str, fault: Fault) -> web.Response:
        code = int(fault.error) if fault.error.isdigit() else None
        if fault.kind == "rate_limit":
            limited = self._no(method, Refused(code or RATE_LIMIT_CODE, status=429))
            limited.headers["Retry-After"] = str(fault.retry_after)
            return limited
        if fault.kind == "refuse":
            return self._no(method, Refused(131000 if code is None else code))
        self.calls[method, str(fault.status)] += 1
        return web.Response(status=fault.status, text="Sorry, something went wrong.")

    def _no(self, method: str, refused: Refused) -> web.Response:
        self.calls[method, str(refused.code)] += 1
        return _json(refused.answer(), refused.status)


def _json(answer: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(answer), status=status, content_type="application/json")

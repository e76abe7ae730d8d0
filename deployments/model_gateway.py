"""The OpenAI-compatible door before the local model: checks the token, passes the stream through."""

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Callable
from secrets import token_hex
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from deployments.body import read
from konstruct.models.local import STARTING

MAX_BODY_BYTES = 512 * 1024
MOST_TOKENS = 8
RETRY_AFTER_SECONDS = 2
# Shorter than the silence for which a caller gives a model up.
START_SECONDS = 10.0
SSE = "text/event-stream"
OK = 200
UNAVAILABLE = 503

log = logging.getLogger(__name__)

Complete = Callable[[dict[str, Any]], AsyncIterator[dict[str, Any] | str]]


class ModelGateway:
    """Answers GET /v1/models and POST /v1/chat/completions for one model."""

    def __init__(self, model_id: str, token: str, complete: Complete, is_up: Callable[[], bool] = lambda: True) -> None:
        """`token`: several with commas. `complete`: deployments.engine.Engine.complete, here or far away.

        `is_up`: whether there ever was an engine; before, a request waits for the first one, for START_SECONDS.
        """
        self._model_id = model_id
        self._tokens = token.encode().split(b",")
        self._complete = complete
        self._is_up = is_up

    def routes(self) -> FastAPI:
        """Build the application to serve."""
        app = FastAPI(openapi_url=None)
        app.get("/v1/models")(self.models)
        app.post("/v1/chat/completions")(self.chat)
        return app

    async def models(self, request: Request) -> Response:
        """List the one model that there is."""
        if not self._knows(request):
            return _error(401, "the bearer token is missing or wrong")
        card = {"id": self._model_id, "object": "model", "owned_by": "konstruct"}
        return _json({"object": "list", "data": [card]})

    async def chat(self, request: Request) -> Response:
        """Complete a chat, streamed if the body says so; errors have OpenAI's shape."""
        if not self._knows(request):
            return _error(401, "the bearer token is missing or wrong")
        body = await _body(request)
        if body is None:
            return _error(400, f"the body must be a JSON object of at most {MAX_BODY_BYTES} bytes")
        if body.get("model") != self._model_id:
            return _error(404, f"this is not a model of this installation; it serves {self._model_id}")
        # vLLM keeps prompts apart by their salt; whoever names none shares what it keeps with nobody.
        return await self._answer(body | {"cache_salt": body.get("cache_salt") or token_hex()})

    async def _answer(self, body: dict[str, Any]) -> Response:
        try:
            parts: AsyncIterator[Any] = aiter(self._complete(body))
            async with asyncio.timeout(None if self._is_up() else START_SECONDS):
                first = await anext(parts)
        except TimeoutError:
            return _error(UNAVAILABLE, "the model is still starting", STARTING)
        except Exception as error:  # noqa: BLE001 - queue full, replica gone, engine dead: for a caller all one
            log.warning("the engine cannot answer: %s", type(error).__name__)
            return _error(UNAVAILABLE, "the model holds more requests than it can, or is starting again")
        if first["status"] != OK:
            return _error(first["status"], first["message"])
        if body.get("stream"):
            return StreamingResponse(parts, media_type=SSE)
        return Response("".join([str(part) async for part in parts]), media_type="application/json")

    def _knows(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = token.encode().split(b",")[:MOST_TOKENS] if scheme.lower() == "bearer" else []
        return any(hmac.compare_digest(one.strip(), known) for one in given for known in self._tokens)


async def _body(request: Request) -> dict[str, Any] | None:
    raw = await read(request.headers, request.receive, MAX_BODY_BYTES)
    try:
        body = orjson.loads(raw or b"")
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None


def _error(status: int, message: str, type_: str | None = None) -> Response:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == UNAVAILABLE else {}
    return _json({"error": {"message": message, "type": type_, "code": status}}, status, headers)


def _json(content: dict[str, Any], status: int = OK, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, media_type="application/json")

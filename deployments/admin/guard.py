"""The door of the API: nothing behind it is reached without a valid credential, a bounded body and sound text."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.admin.credentials import Credentials
from deployments.admin.problem import Problem, answer, problem_of
from deployments.admin.session import Cookies
from deployments.body import read
from konstruct.errors import KonstructError

MAX_BODY_BYTES = 1 << 20
# Everything else needs a credential.
OPEN = frozenset({"/admin/v1/openapi.json", "/admin/v1/login", "/admin/v1/login/callback"})


class Guard:
    """Wraps the application; what it found out is in `request.state`: principal, request_id, body."""

    def __init__(self, inside: ASGIApp, credentials: Credentials, cookies: Cookies) -> None:
        """`inside`: what is guarded. `cookies`: of people who have logged in."""
        self._inside = inside
        self._credentials = credentials
        self._cookies = cookies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request_id = _request_id(headers.get("x-request-id", ""))
        marked = _marked(send, request_id)
        state: dict[str, Any] = {"request_id": request_id, "principal": None, "body": b""}
        try:
            if scope["path"] not in OPEN:
                state["principal"] = await self._credentials.principal(
                    self._cookies.credential(scope["method"], headers)
                )
            state["body"] = await _body(scope, headers, receive)
        except ClientDisconnect:
            return
        except KonstructError as error:
            problem = problem_of(error)
            if problem.status in {401, 429} and self._cookies.session(headers):
                problem.headers["Set-Cookie"] = self._cookies.write("session", "", 0)  # it has ended; ask no more
            await answer(problem, request_id)(scope, receive, marked)
            return
        scope["state"] = {**scope.get("state", {}), **state}
        await self._inside(scope, _again(state["body"], receive), marked)


def _request_id(given: str) -> str:
    """Serve gives every request one, and tells it as well; of others nothing but a UUID gets into logs and audit."""
    try:
        return str(UUID(given))
    except ValueError:
        return str(uuid4())


async def _body(scope: Scope, headers: Mapping[str, str], receive: Receive) -> bytes:
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise Problem("The address holds a NUL character, which no text may.")
    body = await read(headers, receive, MAX_BODY_BYTES)
    if body is None:
        raise Problem(f"The body is over {MAX_BODY_BYTES} bytes.", status=413)
    if body and "json" in headers.get("content-type", "json"):
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Problem(f"The body is not JSON: {error}.") from None
        if _holds_nul(content):
            raise Problem("The body holds a NUL character, which no text may.")
    return body


def _holds_nul(content: Any) -> bool:
    if isinstance(content, dict):
        return any(_holds_nul(part) for pair in content.items() for part in pair)
    if isinstance(content, list):
        return any(map(_holds_nul, content))
    return isinstance(content, str) and "\0" in content


def _marked(send: Send, request_id: str) -> Send:
    extra = [(b"x-request-id", request_id.encode()), (b"cache-control", b"no-store")]

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *extra]
        await send(message)

    return marked


def _again(body: bytes, receive: Receive) -> Receive:
    """Receives the body that was read already."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again

"""The way to a door: whole bodies only, capped, and everything else to the framework."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, cast

import pytest
import structlog

from deployments.ingress import Ingress
from deployments.webhooks import MAX_BODY_BYTES, HttpAnswer, Intake
from konstruct import logs
from konstruct.errors import SignatureRejected
from konstruct.metrics import Unmeasured


async def repeat(headers: Mapping[str, str], body: bytes) -> HttpAnswer:
    """A door that answers with what it was given."""
    return HttpAnswer(200, headers["x-name"].encode() + b" " + body)


async def elsewhere(_scope: Any, _receive: Any, send: Any) -> None:
    """The framework."""
    await send({"type": "elsewhere"})


async def ask(*messages: dict[str, Any], method: str = "POST", path: str = "/door", length: str = "") -> list[Any]:
    """Everything that is sent in answer to a request that arrives in these messages."""
    waiting, sent = list(messages), []
    headers = [(b"x-name", b"Ada"), *([(b"content-length", length.encode())] if length else [])]

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    await Ingress({"/door": repeat}, elsewhere, cast("Any", None))(scope, receive, send)
    return sent


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_that_comes_in_parts_is_joined() -> None:
    start, body = await ask(part(b"a", more=True), part(b"", more=True), part(b"bc"))
    assert (start["status"], body["body"]) == (200, b"Ada abc")
    assert (b"content-length", b"7") in start["headers"]


async def test_who_hangs_up_before_the_body_is_whole_is_not_heard() -> None:
    assert await ask(part(b"a", more=True), {"type": "http.disconnect"}) == []


async def test_a_body_over_the_limit_is_refused_announced_or_not() -> None:
    start, _ = await ask(length=str(MAX_BODY_BYTES + 1))
    assert start["status"] == 413
    start, _ = await ask(part(b"x" * MAX_BODY_BYTES, more=True), part(b"x", more=True))
    assert start["status"] == 413


async def test_other_methods_and_paths_go_to_the_framework() -> None:
    assert await ask(method="GET") == [{"type": "elsewhere"}]
    assert await ask(path="/other") == [{"type": "elsewhere"}]


async def test_what_is_logged_of_a_request_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    async def refuse(_headers: Mapping[str, str], _body: bytes) -> HttpAnswer:
        raise SignatureRejected

    intake = Intake(cast("Any", None), cast("Any", None), Unmeasured(), cast("Any", None))
    logs.configure("info")
    try:
        answer = await intake.guarded("slack", refuse)({"x-request-id": "r-1"}, b"")
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
    assert answer.status == 401
    [line] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["request"]) == ("webhook rejected", "r-1")


def test_the_operators_api_is_not_loaded_before_somebody_asks() -> None:
    loaded = "print(*(name for name in sys.modules if name.startswith('deployments.admin')))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, deployments.ingress; {loaded}"], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == {"deployments.admin", "deployments.admin.door", "deployments.admin.parts"}

"""The way to a door: whole bodies only, capped, and everything else to the framework."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, cast

import pytest
import structlog
from structlog.testing import capture_logs

from deployments import webhooks
from deployments.ingress import Ingress
from deployments.webhooks import MAX_BODY_BYTES, Door, HttpAnswer, Intake
from konstruct import logs
from konstruct.errors import SignatureRejected
from konstruct.metrics import Metrics, Unmeasured


async def repeat(headers: Mapping[str, str], body: bytes) -> HttpAnswer:
    """A door that answers with what it was given."""
    return HttpAnswer(200, headers["x-name"].encode() + b" " + body)


async def elsewhere(_scope: Any, _receive: Any, send: Any) -> None:
    """The framework."""
    await send({"type": "elsewhere"})


class Counts(Unmeasured):
    """What is counted."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, str]] = []

    def count(self, name: str, label: str = "", by: float = 1) -> None:
        self.counted += [(name, label)] * int(by)


def intake_of(metrics: Metrics) -> Intake:
    return Intake(cast("Any", None), cast("Any", None), metrics, cast("Any", None))


async def ask(
    *messages: dict[str, Any], method: str = "POST", path: str = "/door", length: str = "", door: Door = repeat,
    metrics: Metrics | None = None,
) -> list[Any]:  # fmt: skip
    """Everything that is sent in answer to a request that arrives in these messages, and then hangs."""
    waiting, sent = list(messages), []
    headers = [(b"x-name", b"Ada"), *([(b"content-length", length.encode())] if length else [])]

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    guarded = intake_of(metrics or Unmeasured()).guarded("slack", door)
    await Ingress({"/door": guarded}, elsewhere, cast("Any", None))(scope, receive, send)
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
    metrics = Counts()
    start, _ = await ask(length=str(MAX_BODY_BYTES + 1), metrics=metrics)
    assert start["status"] == 413
    start, _ = await ask(part(b"x" * MAX_BODY_BYTES, more=True), part(b"x", more=True), metrics=metrics)
    assert start["status"] == 413
    assert metrics.counted == [("konstruct_webhooks_total", "413")] * 2


async def test_a_body_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "BODY_SECONDS", 0.05)
    metrics = Counts()
    async with asyncio.timeout(2):
        start, _ = await ask(part(b"a", more=True), metrics=metrics)
    assert start["status"] == 408
    assert metrics.counted == [("konstruct_webhooks_total", "408")]


async def test_a_fault_of_ours_is_logged_and_counted_and_the_provider_delivers_again() -> None:
    async def broken(_headers: Mapping[str, str], _body: bytes) -> HttpAnswer:
        return cast("Any", {})["status"]

    metrics = Counts()
    with capture_logs() as lines:
        start, _ = await ask(part(b""), door=broken, metrics=metrics)
    assert start["status"] == 503
    assert metrics.counted == [("konstruct_webhooks_total", "503")]
    assert [(line["log_level"], line["exc_info"]) for line in lines] == [("error", True)]


async def test_other_methods_and_paths_go_to_the_framework() -> None:
    assert await ask(method="GET") == [{"type": "elsewhere"}]
    assert await ask(path="/other") == [{"type": "elsewhere"}]


async def test_what_is_logged_of_a_request_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    async def refuse(_headers: Mapping[str, str], _body: bytes) -> HttpAnswer:
        raise SignatureRejected

    logs.configure("info")
    try:

        async def receive() -> dict[str, Any]:
            return part(b"")

        answer = await intake_of(Unmeasured()).guarded("slack", refuse)({"x-request-id": "r-1"}, receive)
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

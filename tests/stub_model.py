"""A real OpenAI-compatible server on loopback that fails on demand; imports nothing of ours.

In a test: `async with StubModel() as stub: stub.fault("429", retry_after=1)`; alone:
`python -m tests.stub_model --port 8799 --words 20 --word-seconds 0.02`.
"""

import argparse
import asyncio
import json
import re
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

KINDS = frozenset({
    "delay", "hang", "drip", "cut", "hang_up", "429", "500", "503", "401", "400", "404", "error_event",
    "empty", "blank", "html", "truncated", "nul", "surrogates", "split_surrogates", "huge", "huge_line", "absent",
    "starting",
})  # fmt: skip
STATUSES = {"429": 429, "500": 500, "503": 503, "401": 401, "400": 400, "404": 404, "absent": 404, "starting": 503}
HUGE_CHARS = 2_000_000
SPECIAL = {
    "empty": "", "blank": " \n ", "nul": "be\0fore", "surrogates": "bro\ud83dken",
    "split_surrogates": "😀", "huge": "ha " * (HUGE_CHARS // 3), "huge_line": "x" * HUGE_CHARS,
}  # fmt: skip
PROMPT_TOKENS_PER_CHAR = 0.25
TOO_LONG = "This model's maximum context length is {most} tokens. However, you requested 0 output tokens."  # vLLM's

Reply = Callable[[list[dict[str, str]]], str]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request; `seconds` is its delay or the pause between pieces."""

    kind: str
    seconds: float = 0.2
    retry_after: float | None = None


def echo(messages: list[dict[str, str]]) -> str:
    """Reply with what the contact said last: the default."""
    return f"You said: {messages[-1]['content']}" if messages else "You said nothing."


class StubModel:
    """Counts `calls`, keeps the last bodies in `requests`, spends one fault per request, oldest first."""

    def __init__(self, port: int = 0, reply: Reply = echo, word_seconds: float = 0.0) -> None:
        """`port` 0 finds a free one; `word_seconds` is the pause between two streamed words."""
        self.calls = 0
        self.running = 0
        self.requests: deque[dict[str, Any]] = deque(maxlen=1000)
        self.headers: deque[dict[str, str]] = deque(maxlen=1000)
        self.reply = reply
        self.most_chars: int | None = None  # of a prompt: as if each were a token
        self.counts: dict[str, Any] | None = None  # what it says it used, instead of what it did
        self._port = port
        self._word_seconds = word_seconds
        self._faults: deque[Fault] = deque()

    def fault(self, kind: str, *, times: int = 1, seconds: float = 0.2, retry_after: float | None = None) -> None:
        """Let the next `times` requests fail in this way; raises ValueError for an unknown kind."""
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no fault; there are {', '.join(sorted(KINDS))}.")
        self._faults.extend([Fault(kind, seconds, retry_after)] * times)

    @property
    def url(self) -> str:
        """The OpenAI base URL."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def start(self) -> None:
        """Listen on loopback."""
        app = web.Application(client_max_size=10_000_000)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/audio/transcriptions", self._transcribe)
        app.router.add_get("/v1/models", _models)
        app.router.add_post("/_stub/faults", self._program)
        app.router.add_get("/_stub/calls", self._report)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        listener = socket.create_server(("127.0.0.1", self._port), backlog=1024)
        self._port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """End every connection."""
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _program(self, request: web.Request) -> web.Response:
        for wanted in await request.json():
            self.fault(wanted.pop("kind"), **wanted)
        return web.json_response({"waiting": len(self._faults)})

    async def _report(self, _: web.Request) -> web.Response:
        return web.json_response({"calls": self.calls, "running": self.running})

    async def _transcribe(self, request: web.Request) -> web.Response:
        self.calls += 1
        form = await request.post()
        recording: Any = form["file"]
        self.requests.append({"model": form["model"], "file": recording.filename, "bytes": len(recording.file.read())})
        fault = self._faults.popleft() if self._faults else Fault("")
        if fault.kind == "hang":
            await asyncio.sleep(3600)
        return _status(fault) if fault.kind in STATUSES else web.json_response({"text": " Where is my order? "})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        self.running += 1
        try:
            body = await request.json()
            self.requests.append(body)
            self.headers.append(dict(request.headers))
            fault = self._faults.popleft() if self._faults else Fault("", self._word_seconds)
            if self.most_chars and sum(len(said["content"]) for said in body["messages"]) > self.most_chars:
                return _error(400, TOO_LONG.format(most=self.most_chars))
            if fault.kind in STATUSES:
                return _status(fault)
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            if fault.kind == "html":
                return web.Response(text="<html><body>Bad gateway</body></html>", content_type="text/html")
            if fault.kind == "hang_up":
                _abort(request)
            text = SPECIAL[fault.kind] if fault.kind in SPECIAL else self.reply(body["messages"])
            prompt_tokens = int(len(json.dumps(body["messages"])) * PROMPT_TOKENS_PER_CHAR)
            if body.get("stream"):
                pieces = _pieces(text, fault.kind)
                counts = self.counts or {"prompt_tokens": prompt_tokens}
                return await _stream(request, pieces, body.get("max_tokens"), counts, fault)
            if fault.kind == "truncated":
                return web.Response(text='{"choices": [{"mess', content_type="application/json")
            if fault.kind == "hang":
                await asyncio.sleep(3600)
            return web.json_response(_whole(text, prompt_tokens))
        finally:
            self.running -= 1


async def _stream(
    request: web.Request, pieces: list[str], most: int | None, counts: dict[str, Any], fault: Fault
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    if fault.kind == "hang":
        await asyncio.sleep(3600)
    # A real server ends an answer where it is told to; only one that has gone wrong says more.
    said = pieces if fault.kind else pieces[:most]
    for position, piece in enumerate(said):
        if fault.seconds and position and fault.kind in ("", "drip"):
            await asyncio.sleep(fault.seconds)
        if position and fault.kind in ("cut", "truncated", "error_event"):
            return await _break(request, response, fault.kind)
        await response.write(_event(piece))
    usage = {"completion_tokens": len(said), "total_tokens": 9} | counts
    end = _event("", finish="stop" if len(said) == len(pieces) else "length") + _event(None, usage=usage)
    await response.write(end + b"data: [DONE]\n\n")
    await response.write_eof()
    return response


async def _break(request: web.Request, response: web.StreamResponse, kind: str) -> web.StreamResponse:
    if kind == "cut":
        _abort(request)
    elif kind == "truncated":
        await response.write(b'data: {"choices": [{"del\n\n')
    else:
        await response.write(b'data: {"error": {"message": "the engine died", "code": 500}}\n\n')
    return response


def _pieces(text: str, kind: str) -> list[str]:
    if kind == "split_surrogates":
        return ["\ud83d", "\ude00"]
    if kind in ("huge_line", "empty"):
        return [text]
    if kind == "drip":
        return list(text)
    if kind == "huge":
        return [text[start : start + 3000] for start in range(0, len(text), 3000)]
    return re.findall(r"\s*\S+\s*$|\s*\S+", text) or [text]


def _event(text: str | None, finish: str | None = None, usage: dict[str, Any] | None = None) -> bytes:
    choices = [] if text is None else [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]
    event = {"id": "stub", "object": "chat.completion.chunk", "created": 0, "model": "stub", "choices": choices}
    if usage:
        event["usage"] = usage
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _whole(text: str, prompt_tokens: int) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": len(text.split())}
    usage["total_tokens"] = sum(usage.values())
    about = {"id": "stub", "object": "chat.completion", "created": 0, "model": "stub"}
    return about | {"choices": [choice], "usage": usage}


def _status(fault: Fault) -> web.Response:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if fault.kind == "absent":  # not a gateway answers, but the router before it
        return web.json_response({"detail": "Not Found"}, status=STATUSES[fault.kind])
    type_ = "model_starting" if fault.kind == "starting" else "stub"
    return _error(STATUSES[fault.kind], f"stub {fault.kind}", type_, headers)


def _error(status: int, message: str, type_: str = "", headers: dict[str, str] | None = None) -> web.Response:
    error = {"message": message, "type": type_, "code": status}
    return web.json_response({"error": error}, status=status, headers=headers)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "stub", "object": "model"}]})


async def _serve(port: int, words: int, word_seconds: float) -> None:
    def fixed(_: list[dict[str, str]]) -> str:
        return " ".join(["word"] * words)

    async with StubModel(port, fixed if words else echo, word_seconds) as stub:
        print(stub.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="An OpenAI-compatible model that says what you said.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--words", type=int, default=0, help="answer with so many words instead of an echo")
    parser.add_argument("--word-seconds", type=float, default=0.0)
    asked = parser.parse_args()
    asyncio.run(_serve(asked.port, asked.words, asked.word_seconds))

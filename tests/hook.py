"""A webhook that keeps what it gets and answers as told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import orjson
from aiohttp import web


class Hook:
    """Answers 200 with `text`, unless `answers` says otherwise; `requests` are (path, headers, body)."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.text = ""
        self.pause = 0.0
        self.url = ""

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(body) for _, _, body in self.requests]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [body["event"] for body in self.bodies]

    @property
    def forms(self) -> list[dict[str, str]]:
        return [{name: values[0] for name, values in parse_qs(body.decode()).items()} for _, _, body in self.requests]

    def clear(self) -> None:
        self.requests.clear()

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append((request.path, dict(request.headers), await request.read()))
        await asyncio.sleep(self.pause)
        return web.Response(status=self.answers.pop(0) if self.answers else 200, text=self.text)


@asynccontextmanager
async def hooked() -> AsyncIterator[Hook]:
    """A hook that listens on all paths of a free port."""
    app, hook = web.Application(), Hook()
    app.router.add_route("*", "/{path:.*}", hook.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield hook
    finally:
        await runner.cleanup()


async def until(condition: Callable[[], bool], seconds: float = 3.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)

"""A server that answers like Meta's Graph API whatever a test tells it to, and keeps what it was asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp
from aiohttp import web

from konstruct.channels import Line
from konstruct.channels.whatsapp import WhatsAppChannel
from konstruct.messages import Address, Reply

NUMBER, TOKEN = "106500000000001", "EAAtest"
RID = UUID("0a1b2c3d-1111-4222-8333-444455556666")


@dataclass
class Graph:
    """`answers`: (status, JSON or bytes) for the next requests to send; then all is well."""

    answers: list[tuple[int, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    media: dict[str, Any] = field(default_factory=dict)
    file: bytes = b"file"
    redirect: str = ""
    hang_seconds: float = 0.0
    url: str = ""

    async def send(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.headers.append(dict(request.headers))
        await asyncio.sleep(self.hang_seconds)
        if self.answers:
            status, answer = self.answers.pop(0)
            if isinstance(answer, bytes):
                return web.Response(status=status, body=answer)
            return web.json_response(answer, status=status)
        return web.json_response({"messaging_product": "whatsapp", "messages": [{"id": f"wamid.OUT{len(self.asked)}"}]})

    async def locate(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        if self.answers:
            status, answer = self.answers.pop(0)
            return web.json_response(answer, status=status)
        return web.json_response({"url": f"{self.url}file", "messaging_product": "whatsapp"} | self.media)

    async def download(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        if self.redirect:
            return web.Response(status=302, headers={"Location": self.redirect})
        return web.Response(body=self.file)


def error(code: int, status: int = 400, details: str = "because") -> tuple[int, Any]:
    """An error as Meta words it."""
    return status, {"error": {"message": f"(#{code}) x", "code": code, "error_data": {"details": details}}}


def reply(channel: str = "4915112345678", **more: Any) -> Reply:
    """A reply to Anna."""
    address = Address(NUMBER, channel, private=True, open_until=more.pop("open_until", None))
    ids = UUID(int=1)
    return Reply(**{"id": RID, "tenant": ids, "conversation": ids, "turn": ids, "part": 0, "text": "x"}
                 | {"channel": "whatsapp", "address": address, "source_id": "wamid.M1"} | more)  # fmt: skip


@asynccontextmanager
async def graph(**options: Any) -> AsyncIterator[tuple[Graph, WhatsAppChannel]]:
    """The server, and a channel that speaks to it."""
    server = Graph()
    application = web.Application()
    application.router.add_post("/v25.0/{number}/messages", server.send)
    application.router.add_get("/v25.0/file", server.download)
    application.router.add_get("/v25.0/{media}", server.locate)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v25.0/"
    async with aiohttp.ClientSession() as session:
        secrets = {"access_token": TOKEN, "app_secret": "s", "verify_token": "v"}
        line = Line(UUID(int=1), NUMBER, "15550783881", secrets, options, server.url, session)
        yield server, WhatsAppChannel(line)
    await runner.cleanup()

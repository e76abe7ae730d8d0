"""A visitor of the web chat: a browser without its window."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp

from konstruct import tenant_file
from konstruct.channels.web_chat import sign
from konstruct.database import tenants
from konstruct.vault import Vault
from tests.rig import Rig

SECRET = "secret-of-the-acme-shop"
FILE = """
tenant: {tenant}
employee: {{name: Ada, instructions: You help., model: local/stub}}
channels:
  web: {{site: {site}, secret: {secret}, origins: ["https://shop.example"]}}
"""


async def open_site(
    under_test: Rig, tenant: str = "acme-web", site: str = "shop", secret: str = SECRET, more: str = ""
) -> None:
    parsed = tenant_file.parse(FILE.format(tenant=tenant, site=site, secret=secret) + more, {})
    vault = Vault(under_test.settings.master_keys)
    assert await tenants.apply_tenant(under_test.database, parsed, vault)
    assert not await tenants.apply_tenant(under_test.database, parsed, vault)


@dataclass
class Visitor:
    """Follows one chat, and keeps every event."""

    url: str
    session: aiohttp.ClientSession
    name: str = "anna"
    token: str = ""
    seen: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        token = self.token or sign(SECRET, "shop", self.name, int(time.time()) + 60)
        return {"Authorization": f"Bearer {token}"}

    async def say(self, text: str, id_: str | None = None, **headers: str) -> int:
        body = {"id": id_ or str(uuid4()), "text": text}
        async with self.session.post(f"{self.url}/messages", json=body, headers=self.headers | headers) as response:
            return response.status

    async def follow(self) -> None:
        headers = self.headers | {"Last-Event-ID": str(self.seen)}
        async with self.session.get(f"{self.url}/events", headers=headers) as response:
            assert (response.status, response.content_type) == (200, "text/event-stream")
            async for line in response.content:
                if line.startswith(b"id: "):
                    self.seen = int(line[4:])
                elif line.startswith(b"data: "):
                    self.events.append(json.loads(line[6:]))

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        async def come_back() -> None:
            while True:
                await self.follow()

        task = asyncio.create_task(come_back())
        try:
            yield
        finally:
            task.cancel()

    @property
    def visible(self) -> list[tuple[str, str]]:
        """What the page would show now."""
        latest = {event["id"]: event for event in self.events if event["role"] != "status"}
        return [(e["role"], e["text"]) for e in sorted(latest.values(), key=lambda e: e["place"])]

    async def sees(self, count: int) -> list[tuple[str, str]]:
        async with asyncio.timeout(15):
            while len(self.visible) < count or not all(e["final"] for e in self._latest()):
                await asyncio.sleep(0.02)
        return self.visible

    def _latest(self) -> list[dict[str, Any]]:
        return list({event["id"]: event for event in self.events if event["role"] != "status"}.values())

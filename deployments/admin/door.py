"""The way in from the ingress: the API is loaded when it is first asked for, and webhooks never pass here."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.admin.parts import Parts

PREFIX = "/admin/"


class AdminDoor:
    """Whatever is under PREFIX goes to the API, the rest to `pages`."""

    def __init__(self, pages: ASGIApp, parts: Parts) -> None:
        """`parts`: what the API works with."""
        self._pages = pages
        self._parts = parts
        self._admin: ASGIApp | None = None
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._pages(scope, receive, send)
            return
        admin = self._admin or await self._load()
        await admin(scope, receive, send)

    async def _load(self) -> ASGIApp:
        async with self._loading:
            if self._admin is None:
                # In a thread: webhooks are acknowledged meanwhile.
                self._admin = await asyncio.to_thread(_build, self._parts)
            return self._admin


def _build(parts: Parts) -> ASGIApp:
    from deployments.admin.application import admin  # noqa: PLC0415 - most replicas are never asked

    return admin(parts)

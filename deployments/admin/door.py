"""The way in from the ingress: the API is loaded when it is first asked for, and webhooks never pass here."""

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._pages(scope, receive, send)
            return
        if self._admin is None:
            from deployments.admin.application import admin  # noqa: PLC0415 - most replicas are never asked

            self._admin = admin(self._parts)
        await self._admin(scope, receive, send)

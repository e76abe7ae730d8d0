"""Installing an app: the page that approves at once, codes, and tokens that rotate."""

import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from simulator.clock import Clock
from simulator.slack.app import App
from simulator.slack.arguments import text_of
from simulator.slack.installations import Installations
from simulator.slack.options import Options
from simulator.slack.refusal import Refused

CODE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Approval:
    """What a code stands for."""

    app: App
    redirect_uri: str
    scope: str
    until: float


class OAuth:
    """Knows the apps that have a client id; each installation gets tokens of its own."""

    def __init__(self, clients: Iterable[App], installations: Installations, options: Options, clock: Clock) -> None:
        self._installations = installations
        self._options = options
        self._clock = clock
        self._clients = {app.client_id: app for app in clients if app.client_id}
        self._codes: dict[str, Approval] = {}
        self._refreshes: dict[str, tuple[App, str]] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Register the page."""
        router.add_get("/oauth/v2/authorize", self._authorize)

    def access(self, arguments: dict[str, Any], authorization: str) -> dict[str, Any]:
        """oauth.v2.access: a code once, or a refresh token once, for tokens; raises Refused."""
        client = self._client(arguments, authorization)
        if text_of(arguments, "grant_type") == "refresh_token":
            known = self._refreshes.pop(text_of(arguments, "refresh_token"), None)
            if known is None or known[0].client_id != client.client_id:
                raise Refused("invalid_refresh_token")
            return self._granted(*known)
        approval = self._codes.pop(text_of(arguments, "code"), None)
        if approval is None or approval.until <= self._clock.now() or approval.app.client_id != client.client_id:
            raise Refused("invalid_code")
        if text_of(arguments, "redirect_uri") not in ("", approval.redirect_uri):
            raise Refused("bad_redirect_uri")
        return self._granted(approval.app, approval.scope)

    async def _authorize(self, request: web.Request) -> web.Response:
        query = request.query
        app, redirect_uri = self._clients.get(query.get("client_id", "")), query.get("redirect_uri", "")
        if app is None or not redirect_uri or not query.get("scope"):
            return web.Response(status=400, text="Something is wrong with this request to install an app.")
        state = {"state": query["state"]} if "state" in query else {}
        if self._options.deny_installation:
            raise web.HTTPFound(_with_query(redirect_uri, {"error": "access_denied", **state}))
        app = replace(app, team=query.get("team") or app.team, org_wide=self._options.org_installation or app.org_wide)
        if app.org_wide and app.enterprise is None:
            app = replace(app, enterprise=f"E{app.team[1:]}")
        code = secrets.token_urlsafe(16)
        self._codes[code] = Approval(app, redirect_uri, query["scope"], self._clock.now() + CODE_SECONDS)
        raise web.HTTPFound(_with_query(redirect_uri, {"code": code, **state}))

    def _client(self, arguments: dict[str, Any], authorization: str) -> App:
        client_id, secret = text_of(arguments, "client_id"), text_of(arguments, "client_secret")
        if authorization.startswith("Basic "):
            try:
                client_id, _, secret = b64decode(authorization[6:]).decode().partition(":")
            except (Base64Error, UnicodeDecodeError):
                raise Refused("bad_client_secret") from None
        client = self._clients.get(client_id)
        if client is None:
            raise Refused("invalid_client_id")
        if client.client_secret != secret:
            raise Refused("bad_client_secret")
        return client

    def _granted(self, app: App, scope: str) -> dict[str, Any]:
        rotates, app = self._options.token_rotation, replace(app, scopes=tuple(filter(None, scope.split(","))))
        app = self._installations.install(app, self._options.token_seconds if rotates else None)
        granted: dict[str, Any] = {
            "app_id": app.app,
            "authed_user": {"id": "U0ADMIN"},
            "scope": scope,
            "token_type": "bot",
            "access_token": app.bot_token,
            "bot_user_id": app.bot_user,
            "team": None if app.org_wide else {"id": app.team, "name": app.team.title()},
            "enterprise": {"id": app.enterprise, "name": app.enterprise} if app.enterprise else None,
            "is_enterprise_install": app.org_wide,
        }
        if rotates:
            refresh = f"xoxe-{secrets.token_hex(16)}"
            self._refreshes[refresh] = (app, scope)
            granted |= {"refresh_token": refresh, "expires_in": int(self._options.token_seconds)}
        return granted


def _with_query(url: str, fields: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(fields)}"

"""Attaching a workspace to a tenant by OAuth: a signed link, Slack's consent page, and back."""

import secrets
import time
from collections.abc import Mapping
from html import escape
from http.cookies import CookieError, SimpleCookie
from uuid import UUID

import structlog

from deployments.doors.slack_reach import SlackReach
from deployments.webhooks import HttpAnswer
from konstruct.channels.slack import oauth
from konstruct.database import installs
from konstruct.database.pool import Database
from konstruct.errors import (
    AlreadyTaken,
    ChannelRefused,
    DatabaseUnavailable,
    KonstructError,
    SignatureRejected,
    UnknownTenant,
)
from konstruct.identity import tenant_id
from konstruct.install_link import check_link
from konstruct.settings import Settings
from konstruct.vault import Vault

COOKIE = "konstruct_install"
CALLBACK = "/slack/oauth/callback"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><body style="font:1.1rem/1.5 system-ui;max-width:36rem;margin:4rem auto;padding:0 1rem">
<h1 style="font-size:1.4rem">{title}</h1><p>{text}</p></body></html>"""
GUARDS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
AGAIN = "Open the link that you were sent once more."

log = structlog.get_logger()


class SlackInstall:
    """The two pages of an installation; a browser comes with a link and leaves with a workspace attached."""

    def __init__(self, settings: Settings, database: Database, vault: Vault, reach: SlackReach) -> None:
        """Nothing is opened here."""
        self._settings = settings
        self._database = database
        self._vault = vault
        self._reach = reach
        self._redirect = settings.public_url.rstrip("/") + CALLBACK

    async def begin(self, _headers: Mapping[str, str], query: Mapping[str, str]) -> HttpAnswer:
        """Send the browser to Slack's consent page."""
        client = self._client()
        if client is None:
            return page(503, "Slack is not set up", "This installation has no Slack app of its own yet.")
        tenant = query.get("tenant", "")
        until, signature = query.get("until", ""), query.get("signature", "")
        try:
            check_link(self._settings.master_keys, tenant, until, signature, time.time())
            state, browser = f"{tenant_id(tenant).hex}.{secrets.token_urlsafe(32)}", secrets.token_urlsafe(32)
            await installs.begin(self._database, tenant_id(tenant), state, browser)
        except (SignatureRejected, UnknownTenant) as refused:
            return page(403, "This link cannot be used", f"{refused} Ask for a new one.")
        except KonstructError as error:
            return _failed(error)
        secure = "; Secure" if self._redirect.startswith("https:") else ""
        cookie = f"{COOKIE}={browser}; Max-Age={installs.STATE_SECONDS:.0f}; Path={CALLBACK}; HttpOnly; SameSite=Lax"
        location = oauth.authorize_url(self._settings.slack_api_url, client, state, self._redirect)
        return HttpAnswer(302, headers=GUARDS | {"Location": location, "Set-Cookie": cookie + secure})

    async def finish(self, headers: Mapping[str, str], query: Mapping[str, str]) -> HttpAnswer:
        """Slack sends the browser back: exchange the code, and keep what it brings."""
        client, state, code = self._client(), query.get("state", ""), query.get("code", "")
        if client is None:
            return page(503, "Slack is not set up", "This installation has no Slack app of its own yet.")
        tenant = _tenant(state)
        try:
            if tenant is None or not await installs.take(self._database, tenant, state, _browser(headers)):
                return page(400, "This installation cannot go on", f"It began elsewhere or too long ago. {AGAIN}")
            if query.get("error") or not code:
                return page(400, "Nothing was installed", f"Slack says: {query.get('error', 'no code')[:80]}. {AGAIN}")
            session, url = self._reach.session, self._settings.slack_api_url
            grant = await oauth.exchange(session, url, client, code, self._redirect)
            await self._keep(tenant, grant)
        except AlreadyTaken:
            return page(409, "This workspace is taken", "It is connected to somebody else's employee already.")
        except KonstructError as error:
            return _failed(error)
        log.info("app installed", channel="slack", tenant=tenant, team=grant.team)
        return page(200, "Connected", f"The employee works in {grant.team_name or grant.team} now. Say hello in Slack.")

    async def _keep(self, tenant: UUID, grant: oauth.Grant) -> None:
        if self._settings.slack_app_id not in ("", grant.app):
            raise ChannelRefused(f"Slack installed the app {grant.app}, not {self._settings.slack_app_id}.")
        kept = {"bot_token": grant.bot_token, "signing_secret": self._settings.slack_signing_secret[0]}
        if grant.refresh_token:
            kept["refresh_token"] = grant.refresh_token
        # Our manifest asks for the agent view; apps that are new have no other.
        options = {"agent_view": True}
        found = installs.Installed("slack", grant.app, grant.team, grant.account, kept, options, grant.seconds)
        await installs.save(self._database, tenant, found, self._vault)

    def _client(self) -> oauth.Client | None:
        known = self._settings
        if known.slack_client_id and known.slack_client_secret and known.slack_signing_secret:
            return oauth.Client(known.slack_client_id, known.slack_client_secret)
        return None


def page(status: int, title: str, text: str) -> HttpAnswer:
    """A page for a person."""
    body = PAGE.format(title=escape(title), text=escape(text)).encode("utf-8", "replace")
    return HttpAnswer(status, body, "text/html; charset=utf-8", GUARDS)


def _failed(error: KonstructError) -> HttpAnswer:
    log.warning("app not installed", channel="slack", reason=str(error))
    if isinstance(error, DatabaseUnavailable):
        return page(503, "Not now", "The installation cannot be stored at the moment; try again in a minute.")
    return page(502, "Nothing was installed", f"{error} {AGAIN}")


def _tenant(state: str) -> UUID | None:
    try:
        return UUID(hex=state.partition(".")[0])
    except ValueError:
        return None


def _browser(headers: Mapping[str, str]) -> str:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie is not None else ""

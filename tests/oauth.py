"""A browser that installs the Slack app, and what is seen of it afterwards."""

import asyncio
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psycopg

from konstruct.database import tenants
from konstruct.database.tenants import ChannelRow
from konstruct.identity import tenant_id
from konstruct.install_link import install_link
from konstruct.vault import Vault
from tests.rig import APP, Rig

OURS = replace(
    APP, app="A0OURS", team="T0NEW", bot_token="", signing_secret="signing-secret-of-ours", client_id="1.2",
    client_secret="planted-client-secret",
)  # fmt: skip
SETTINGS: dict[str, object] = {
    "slack_app_id": "A0OURS", "slack_client_id": "1.2", "slack_client_secret": "planted-client-secret",
    "slack_signing_secret": ("signing-secret-of-ours",),
}  # fmt: skip
ACME = tenant_id("acme")


def rows(k: Rig, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(k.settings.database_url or "", autocommit=True) as owner:
        result = owner.execute(statement.encode())
        return result.fetchall() if result.description else []


class Browser:
    """Opens pages of the installation; cookies are kept, redirects are followed one by one."""

    def __init__(self, k: Rig) -> None:
        self._k = k
        self._cookie = ""

    async def open(self, url: str) -> tuple[int, str, str]:
        """Answer status, text and where it leads."""
        place = urlsplit(url)
        # The installation believes in its PUBLIC_URL; here it listens elsewhere.
        here = url if url.startswith(self._k.slack.address) else f"{self._k.url}{place.path}?{place.query}"
        headers = {"Cookie": self._cookie} if self._cookie else {}
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            async with session.get(here, allow_redirects=False, headers=headers) as answer:
                if "Set-Cookie" in answer.headers:
                    self._cookie = answer.headers["Set-Cookie"].partition(";")[0]
                    assert "HttpOnly" in answer.headers["Set-Cookie"]
                return answer.status, await answer.text(), answer.headers.get("Location", "")


def link(k: Rig, tenant: str = "acme") -> str:
    return install_link(k.settings.public_url, k.settings.master_keys, tenant, time.time())


async def consented(k: Rig, browser: Browser, tenant: str = "acme") -> str:
    """The URL that Slack sends the browser back to."""
    status, _, consent = await browser.open(link(k, tenant))
    assert status == 302
    assert consent.startswith(f"{k.slack.address}/oauth/v2/authorize?")
    status, _, back = await browser.open(consent)
    assert status == 302
    return back


async def install(k: Rig, tenant: str = "acme") -> tuple[int, str]:
    browser = Browser(k)
    status, text, _ = await browser.open(await consented(k, browser, tenant))
    return status, text


async def channel(k: Rig, team: str = "T0NEW") -> ChannelRow:
    row = await tenants.read_tenant(k.database, ACME, Vault(k.settings.master_keys))
    assert row is not None
    return next(channel for channel in row.channels if channel.team == team)


async def answers(k: Rig, text: str, count: int = 1) -> list[str]:
    await k.slack.say(text, team="T0NEW", channel="D0NEW")
    async with asyncio.timeout(15):
        while len(spoken(k)) < count:
            await asyncio.sleep(0.05)
    return spoken(k)


def spoken(k: Rig) -> list[str]:
    threads = [m.ts for m in k.slack.messages("D0NEW", team="T0NEW")]
    found = [m for ts in threads for m in k.slack.messages("D0NEW", team="T0NEW", thread_ts=ts)]
    return [m.text for m in found if m.user == OURS.bot_user]


def vault(k: Rig) -> Vault:
    return Vault(k.settings.master_keys)

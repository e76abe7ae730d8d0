"""The app's manifest, the links that install it, and what Slack hands out for a consent."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.fernet import Fernet

from konstruct.channels.slack import oauth
from konstruct.channels.slack.manifest import manifest
from konstruct.errors import ChannelOutcomeUnknown, ChannelRefused, KonstructError, SignatureRejected
from konstruct.install_link import LINK_DAYS, check_link, install_link

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
NOW = 1_793_000_000.0


def parts(link: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


def test_a_link_is_good_for_its_tenant_for_a_week() -> None:
    link = install_link("https://konstruct.example/", (OLD,), "acme", NOW)
    assert link.startswith("https://konstruct.example/slack/install?")
    check_link((OLD,), **parts(link), now=NOW)
    check_link((NEW, OLD), **parts(link), now=NOW + LINK_DAYS * 86_400 - 1)
    with pytest.raises(SignatureRejected):
        check_link((OLD,), **parts(link), now=NOW + LINK_DAYS * 86_400 + 1)


@pytest.mark.parametrize(
    "forged",
    [
        {"tenant": "globex"}, {"tenant": ""}, {"until": "9999999999"}, {"until": "x"}, {"until": ""}, {"until": "٣"},
        {"until": "1" * 400}, {"signature": ""}, {"signature": "0" * 64}, {"signature": "\ud800"},
    ],
)  # fmt: skip
def test_a_link_that_was_altered_or_made_elsewhere_is_refused(forged: dict[str, str]) -> None:
    link = parts(install_link("https://konstruct.example", (OLD,), "acme", NOW))
    with pytest.raises(SignatureRejected):
        check_link((OLD,), **(link | forged), now=NOW)
    with pytest.raises(SignatureRejected):
        check_link((NEW,), **link, now=NOW)


def test_the_manifest_asks_for_what_the_code_uses_and_calls_our_urls() -> None:
    written = manifest("https://konstruct.example/", "Ada", "x" * 400)
    urls = [
        written["settings"]["event_subscriptions"]["request_url"],
        written["settings"]["interactivity"]["request_url"],
        written["features"]["slash_commands"][0]["url"],
        *written["oauth_config"]["redirect_urls"],
    ]
    paths = ["/slack/events", "/slack/interactivity", "/slack/commands", "/slack/oauth/callback"]
    assert urls == [f"https://konstruct.example{path}" for path in paths]
    assert len(written["features"]["agent_view"]["agent_description"]) <= 300
    assert {"app_mentions:read", "chat:write", "commands"} <= set(written["oauth_config"]["scopes"]["bot"])


def test_in_socket_mode_slack_is_given_no_urls_and_tokens_rotate_only_on_demand() -> None:
    written = manifest("https://konstruct.example", socket_mode=True)
    assert written["settings"]["socket_mode_enabled"] is True
    assert "request_url" not in str(written)
    assert "/slack/commands" not in str(written)
    # A token that was copied into a tenant file would end after twelve hours.
    assert written["settings"]["token_rotation_enabled"] is False
    assert manifest("https://konstruct.example", rotating=True)["settings"]["token_rotation_enabled"] is True


def test_the_consent_page_is_slacks_own_and_gets_state_scopes_and_our_callback() -> None:
    client = oauth.Client("1.2", "secret")
    url = oauth.authorize_url("https://slack.com/api/", client, "s&t", "https://k.example/cb")
    assert url.startswith("https://slack.com/oauth/v2/authorize?")
    query = parts(url)
    assert (query["client_id"], query["state"], query["redirect_uri"]) == ("1.2", "s&t", "https://k.example/cb")
    assert "chat:write" in query["scope"].split(",")
    assert "secret" not in url


class Slack:
    """Answers oauth.v2.access as a test wants it."""

    def __init__(self) -> None:
        self.answer: Any = {}
        self.asked: list[dict[str, str]] = []

    async def access(self, request: web.Request) -> web.StreamResponse:
        self.asked.append({str(key): str(value) for key, value in (await request.post()).items()})
        return self.answer if isinstance(self.answer, web.Response) else web.json_response(self.answer)


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[tuple[Slack, aiohttp.ClientSession, str]]:
    simulated, app = Slack(), web.Application()
    app.router.add_post("/api/oauth.v2.access", simulated.access)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield simulated, session, f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    await runner.cleanup()


CLIENT = oauth.Client("1.2", "planted-secret")
GRANTED = {
    "ok": True, "access_token": "xoxe.xoxb-1", "token_type": "bot", "scope": "chat:write", "bot_user_id": "U0BOT",
    "app_id": "A0ACME", "team": {"id": "T0ACME", "name": "Acme"}, "enterprise": None, "is_enterprise_install": False,
    "authed_user": {"id": "U0ALICE"}, "expires_in": 43200, "refresh_token": "xoxe-1",
}  # fmt: skip


async def test_a_code_becomes_a_grant_of_the_workspace_or_of_the_organisation(slack: Any) -> None:
    simulated, session, url = slack
    simulated.answer = GRANTED
    grant = await oauth.exchange(session, url, CLIENT, "code", "https://k.example/cb")
    assert grant == oauth.Grant("A0ACME", "T0ACME", "Acme", "U0BOT", "xoxe.xoxb-1", "xoxe-1", 43200)
    sent = {"code": "code", "redirect_uri": "https://k.example/cb", "client_id": "1.2"}
    assert simulated.asked == [sent | {"client_secret": "planted-secret"}]
    enterprise = {"id": "E0CORP", "name": "Corp"}
    simulated.answer = GRANTED | {"team": None, "enterprise": enterprise, "is_enterprise_install": True}
    assert (await oauth.exchange(session, url, CLIENT, "code", "x")).team == "E0CORP"


async def test_a_refreshed_token_needs_no_team(slack: Any) -> None:
    simulated, session, url = slack
    simulated.answer = {"ok": True, "access_token": "new", "refresh_token": "next", "expires_in": 43200}
    grant = await oauth.refresh(session, url, CLIENT, "xoxe-1")
    assert (grant.bot_token, grant.refresh_token, grant.seconds) == ("new", "next", 43200)
    assert simulated.asked[0]["grant_type"] == "refresh_token"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"ok": False, "error": "invalid_code"}, ChannelRefused),
        ({"ok": False}, ChannelRefused),
        (GRANTED | {"access_token": None}, ChannelRefused),
        (GRANTED | {"team": None}, ChannelRefused),
        ([], ChannelRefused),
        (web.Response(text="upstream error", status=502), ChannelOutcomeUnknown),
        (web.Response(status=302, headers={"Location": "/elsewhere"}), ChannelOutcomeUnknown),
    ],
)
async def test_an_answer_without_tokens_is_an_error_in_our_words(
    slack: Any, answer: Any, error: type[KonstructError]
) -> None:
    simulated, session, url = slack
    simulated.answer = answer
    with pytest.raises(error) as refused:
        await oauth.exchange(session, url, CLIENT, "planted-code", "x")
    assert "planted" not in str(refused.value)

"""Installing the app, and renewing its tokens: https://docs.slack.dev/authentication/installing-with-oauth."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import orjson

from konstruct.channels.slack.fields import identifier, mapping, plain
from konstruct.channels.slack.manifest import BOT_SCOPES
from konstruct.errors import ChannelOutcomeUnknown, ChannelRefused

EXCHANGE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Client:
    """The app's own credentials."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What Slack hands out: tokens, and where they hold. `seconds`: None where the token never expires."""

    app: str
    team: str  # of a whole organisation: the enterprise's id
    team_name: str
    account: str
    bot_token: str = field(repr=False)
    refresh_token: str = field(repr=False, default="")
    seconds: int | None = None


def authorize_url(api_url: str, client: Client, state: str, redirect: str) -> str:
    """Slack's consent page."""
    place = urlsplit(api_url)
    query = {"client_id": client.id, "scope": ",".join(BOT_SCOPES), "state": state, "redirect_uri": redirect}
    return f"{place.scheme}://{place.netloc}/oauth/v2/authorize?{urlencode(query)}"


async def exchange(session: Any, api_url: str, client: Client, code: str, redirect: str) -> Grant:
    """Turn the code of a consent into tokens. Raises ChannelRefused or ChannelOutcomeUnknown."""
    grant = _grant(await _access(session, api_url, client, {"code": code, "redirect_uri": redirect}))
    if not (grant.app and grant.team and grant.account):
        raise ChannelRefused("Slack's oauth.v2.access named no app, team or bot user: was the app given a bot scope?")
    return grant


async def refresh(session: Any, api_url: str, client: Client, refresh_token: str) -> Grant:
    """Spend a refresh token, which is good for one use. Raises ChannelRefused or ChannelOutcomeUnknown."""
    asked = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return _grant(await _access(session, api_url, client, asked))


async def _access(session: Any, api_url: str, client: Client, asked: dict[str, str]) -> dict[str, Any]:
    form = asked | {"client_id": client.id, "client_secret": client.secret}
    try:
        async with asyncio.timeout(EXCHANGE_SECONDS):
            async with session.post(api_url + "oauth.v2.access", data=form, allow_redirects=False) as response:
                answer = mapping(orjson.loads(await response.read()))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise ChannelOutcomeUnknown(f"Slack's oauth.v2.access gave no answer: {type(error).__name__}.") from error
    if answer.get("ok") is not True:
        raise ChannelRefused(f"Slack refused oauth.v2.access: {plain(answer.get('error'))[:80] or 'no reason given'}.")
    return answer


def _grant(answer: dict[str, Any]) -> Grant:
    team = mapping(answer.get("team"))
    if answer.get("is_enterprise_install") is True:
        team = mapping(answer.get("enterprise"))
    seconds = answer.get("expires_in")
    grant = Grant(
        app=identifier(answer.get("app_id")),
        team=identifier(team.get("id")),
        team_name=plain(team.get("name"))[:200],
        account=identifier(answer.get("bot_user_id")),
        bot_token=plain(answer.get("access_token")),
        refresh_token=plain(answer.get("refresh_token")),
        seconds=seconds if isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0 else None,
    )
    if not grant.bot_token:
        raise ChannelRefused("Slack's oauth.v2.access gave no bot token: was the app given a bot scope?")
    return grant

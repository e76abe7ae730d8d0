"""Slack's Web API: one call, and its failure in our words. https://docs.slack.dev/apis/web-api."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from konstruct.channels.channel import Line
from konstruct.channels.slack.pace import Pace
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, ChannelRefused

# All requests of one operation together: a claim outlives one operation.
SEND_SECONDS = 4.0
HTTP_TOO_MANY = 429
HTTP_SERVER_ERROR = 500
LONGEST_PATIENCE_SECONDS = 3600.0

# Errors after which the message may or may not be visible; every other error is final.
_PASSING = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
_TOKEN = "Install the app in this workspace again, or put a valid bot_token into the tenant file and apply it."  # noqa: S105
_UNAUTHORIZED = ("token_revoked", "token_expired", "invalid_auth", "not_authed", "account_inactive")
_MENDS = {
    **dict.fromkeys(_UNAUTHORIZED, _TOKEN),
    **dict.fromkeys(("not_in_channel", "channel_not_found"), "Invite the app to that channel."),
    "is_archived": "Unarchive the channel, or write from another one.",
    "missing_scope": "Give the app the scope {needed} and install it again.",
    "restricted_action": "Ask the workspace's administrators to let the app write there.",
}


class SlackRefused(ChannelRefused):
    """Slack refused a call; `code` is its own word for why."""

    def __init__(self, method: str, code: str, needed: str = "") -> None:
        """`needed`: the scopes that are missing."""
        mend = _MENDS.get(code, "").format(needed=needed or "that Slack asks for")
        super().__init__(f"Slack refused {method}: {code}. {mend}".rstrip())
        self.code = code
        self.disconnected = code in _UNAUTHORIZED


class WebApi:
    """Calls under one bot token, paced by the workspace's rate limits."""

    def __init__(self, line: Line) -> None:
        """`line.api_url` ends with a slash; the session is shared by all tenants of a process."""
        self.session: aiohttp.ClientSession = line.session
        self.url = line.api_url
        self.authorization = {"Authorization": f"Bearer {line.secrets['bot_token']}"}
        self.pace = Pace()

    async def post(self, method: str, message: dict[str, Any]) -> dict[str, Any]:
        """Call a method that changes something; answers what Slack says."""
        self.pace.spend(method)
        headers = self.authorization | {"Content-Type": "application/json; charset=utf-8"}
        return await self._call("POST", method, headers=headers, data=orjson.dumps(message))

    async def get(self, method: str, query: dict[str, str]) -> dict[str, Any]:
        """Call a method that only reads, or takes no JSON."""
        return await self._call("GET", method, headers=self.authorization, params=query)

    async def _call(self, verb: str, method: str, **arguments: Any) -> dict[str, Any]:
        try:
            async with self.session.request(verb, self.url + method, **arguments) as response:
                return _checked(method, response.status, response.headers.get("Retry-After"), await response.read())
        except ChannelBusy as busy:
            self.pace.limited(method, busy.retry_after)
            raise
        except aiohttp.ClientConnectorError as error:
            # No connection, so nothing left this machine; try again soon.
            raise ChannelBusy(1.0, f"Slack cannot be reached: {error}.") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ChannelOutcomeUnknown(f"{method} got no answer: {error or type(error).__name__}.") from error


@asynccontextmanager
async def operation(seconds: float = SEND_SECONDS) -> AsyncIterator[None]:
    """However many requests are made inside, none begins or goes on after so many seconds."""
    begun = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        waited = time.monotonic() - begun
        raise ChannelOutcomeUnknown(f"Slack did not answer within {waited:.1f} s.") from error


def _checked(method: str, status: int, retry_after: str | None, body: bytes) -> dict[str, Any]:
    if status == HTTP_TOO_MANY:
        raise ChannelBusy(patience(retry_after), f"{method} is rate limited.")
    if status >= HTTP_SERVER_ERROR:
        raise ChannelOutcomeUnknown(f"{method} answered with status {status}.")
    try:
        answer = orjson.loads(body)
        if answer["ok"]:
            return dict(answer)
        error = str(answer.get("error"))
    except (ValueError, KeyError, TypeError) as broken:
        raise ChannelOutcomeUnknown(f"{method} gave an answer that is not Slack's (status {status}).") from broken
    if error == "ratelimited":
        raise ChannelBusy(patience(retry_after), f"{method} is rate limited.")
    if error in _PASSING:
        raise ChannelOutcomeUnknown(f"{method} failed with {error}.")
    raise SlackRefused(method, error, str(answer.get("needed") or ""))


def patience(retry_after: str | None) -> float:
    """The seconds that a Retry-After asks for."""
    try:
        return min(max(float(retry_after or 1), 0.1), LONGEST_PATIENCE_SECONDS)
    except ValueError:
        return 1.0

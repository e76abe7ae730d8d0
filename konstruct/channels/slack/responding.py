"""Answering a command where the app is no member: through the URL that came with it, for half an hour.

https://docs.slack.dev/interactivity/handling-user-interaction#message_responses.
"""

import aiohttp
import orjson

from konstruct.channels.slack.origin import check_origin
from konstruct.channels.slack.rendering import fallback, render
from konstruct.channels.slack.web_api import HTTP_SERVER_ERROR, HTTP_TOO_MANY, SlackRefused, WebApi, patience
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, ChannelRefused
from konstruct.messages import Reply

_OUTSIDE = ("channel_not_found", "not_in_channel")
HTTP_OK = 200


def is_answerable(reply: Reply, refused: SlackRefused) -> bool:
    """Whether it was refused because the app is no member there, and came from a command."""
    return refused.code in _OUTSIDE and bool(reply.address.response_url)


async def respond(api: WebApi, reply: Reply, text: str) -> str:
    """Answer there; the message has no ts, so what is given back only says that it is out. Raises as a send does."""
    url = reply.address.response_url
    check_origin(url, api.url)
    answer = {
        # In a direct message of others only who asked is answered.
        "response_type": "ephemeral" if reply.address.private else "in_channel",
        "replace_original": False,
        "text": fallback(text),
        "blocks": [{"type": "markdown", "text": render(text)}],
    }
    headers = {"Content-Type": "application/json; charset=utf-8"}
    try:
        # The URL itself is the right to answer: the bot token is not shown to it.
        async with api.session.post(url, data=orjson.dumps(answer), headers=headers, allow_redirects=False) as response:
            status, retry_after = response.status, response.headers.get("Retry-After")
    except aiohttp.ClientConnectorError as error:
        raise ChannelBusy(1.0, f"Slack cannot be reached: {error}.") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ChannelOutcomeUnknown(f"The response URL got no answer: {error or type(error).__name__}.") from error
    if status == HTTP_TOO_MANY:
        raise ChannelBusy(patience(retry_after), "The response URL is rate limited.")
    if status >= HTTP_SERVER_ERROR:
        raise ChannelOutcomeUnknown(f"The response URL answered with status {status}.")
    if status != HTTP_OK:
        raise ChannelRefused(f"Slack took no answer to the command (status {status}). Invite the app to that channel.")
    return f"response:{reply.id}"

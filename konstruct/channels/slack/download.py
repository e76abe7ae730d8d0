"""A file's bytes, with the bot token: https://docs.slack.dev/reference/objects/file-object#auth."""

from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from konstruct.channels.slack.origin import check_origin
from konstruct.channels.slack.web_api import WebApi, patience
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, ChannelRefused
from konstruct.messages import Attachment

MAX_REDIRECTS = 3
CHUNK_BYTES = 64 * 1024
FETCH_SECONDS = 30.0
HTML = "text/html"
_MOVED = {301, 302, 303, 307, 308}


async def download(api: WebApi, attachment: Attachment, limit: int) -> bytes:
    """See Channel.fetch."""
    url = attachment.reference
    if not urlsplit(url).scheme:
        # In Slack Connect a file may come as its id only.
        answer = await api.get("files.info", {"file": url})
        file = answer.get("file") or {}
        url = str(file.get("url_private_download") or file.get("url_private") or "")
    if attachment.size is not None and attachment.size > limit:
        raise ChannelRefused(f"{attachment.name} is larger than {limit} bytes.")
    try:
        return await _follow(api, attachment, url, limit)
    except aiohttp.ClientConnectorError as error:
        raise ChannelBusy(1.0, f"Slack's files cannot be reached: {error}.") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ChannelOutcomeUnknown(f"{attachment.name} did not arrive: {error or type(error).__name__}.") from error


async def _follow(api: WebApi, attachment: Attachment, url: str, limit: int) -> bytes:
    for _ in range(MAX_REDIRECTS + 1):
        check_origin(url, api.url)
        # The URL is Slack's own and signed as it is: not to be quoted again.
        target = URL(url, encoded=True)
        async with api.session.get(target, headers=api.authorization, allow_redirects=False) as answer:
            if answer.status in _MOVED:
                url = urljoin(url, answer.headers.get("Location", ""))
                if "redir=" in urlsplit(url).query or urlsplit(url).path.startswith("/signin"):
                    raise _unreadable(attachment)
                continue
            _check(answer, attachment)
            return await _read(answer, attachment, limit)
    raise ChannelRefused(f"{attachment.name} is not to be had: Slack sends us from one place to another.")


def _check(answer: aiohttp.ClientResponse, attachment: Attachment) -> None:
    name = attachment.name
    if answer.status == 429:
        raise ChannelBusy(patience(answer.headers.get("Retry-After")), f"{name} is rate limited.")
    if answer.status >= 500:
        raise ChannelOutcomeUnknown(f"{name} was answered with status {answer.status}.")
    if answer.status != 200:
        raise ChannelRefused(f"{name} is not to be had: Slack answered with status {answer.status}.")
    # Whoever may not read a file gets Slack's sign-in page in its place, with status 200.
    if answer.content_type == HTML and attachment.media_type != HTML:
        raise _unreadable(attachment)


def _unreadable(attachment: Attachment) -> ChannelRefused:
    return ChannelRefused(
        f"{attachment.name} is not to be had: Slack asks to sign in. Give the app the scope files:read."
    )


async def _read(answer: aiohttp.ClientResponse, attachment: Attachment, limit: int) -> bytes:
    found = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
        found += chunk
        if len(found) > limit:
            raise ChannelRefused(f"{attachment.name} is larger than {limit} bytes.")
    return bytes(found)

"""A file into a channel: https://docs.slack.dev/messaging/working-with-files#uploading_files.

Nothing is visible before the last of the three requests, and that one is not repeated under an id: a reply sent as a
file is found again by its name. What the history does not show yet may be sent twice; that is counted nowhere else.
"""

from typing import Any

import aiohttp

from konstruct.channels.slack.origin import check_origin
from konstruct.channels.slack.web_api import SlackRefused, WebApi
from konstruct.errors import ChannelOutcomeUnknown


async def upload(api: WebApi, channel: str, thread: str | None, name: str, content: bytes) -> str:
    """Share a new file; answers its id."""
    wanted = {"filename": name, "length": str(len(content))}
    place = await api.get("files.getUploadURLExternal", wanted)
    await _put(api, str(place["upload_url"]), name, content)
    message: dict[str, Any] = {"files": [{"id": place["file_id"], "title": name}], "channel_id": channel}
    if thread:
        message["thread_ts"] = thread
    await api.post("files.completeUploadExternal", message)
    return str(place["file_id"])


async def _put(api: WebApi, url: str, name: str, content: bytes) -> None:
    check_origin(url, api.url)
    try:
        async with api.session.post(url, data=content, allow_redirects=False) as answer:
            if answer.status >= 500:
                raise ChannelOutcomeUnknown(f"The upload of {name} was answered with status {answer.status}.")
            if answer.status != 200:
                raise SlackRefused("the upload of a file", f"status {answer.status}")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ChannelOutcomeUnknown(f"The upload of {name} got no answer: {error or type(error).__name__}.") from error

"""Slack's Web API, as far as replies need it: https://docs.slack.dev/reference/methods."""

import asyncio
from typing import Any

import aiohttp
import orjson

from konstruct.channels.channel import Line
from konstruct.channels.slack.escaping import escape
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, ChannelRefused
from konstruct.messages import Address, Attachment, Reply, Sighting
from konstruct.parts import split

SEND_SECONDS = 4.0
# chat.update refuses more than 4,000 bytes, counted after the escaping of & < >.
LONGEST_BYTES = 3_900
METADATA_TYPE = "konstruct_reply"
HISTORY_LIMIT = 100
HTTP_TOO_MANY = 429
HTTP_SERVER_ERROR = 500

# Errors after which the message may or may not be visible; every other error is final.
_PASSING = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}


class SlackChannel:
    """One workspace's Web API under one bot token."""

    grows = True
    status_seconds = 60.0  # Slack clears a status after two minutes
    reconciles_seconds = 0.0

    def __init__(self, line: Line) -> None:
        """`line.api_url` ends with a slash; the session is shared by all tenants of a process."""
        self._url = line.api_url
        self._session = line.session
        self._headers = {
            "Authorization": f"Bearer {line.secrets['bot_token']}",
            "Content-Type": "application/json; charset=utf-8",
        }

    def split(self, text: str) -> list[str]:
        """Parts of at most LONGEST_BYTES on the wire."""
        return split(text, LONGEST_BYTES, lambda part: len(escape(part).encode()))

    async def send(self, reply: Reply, text: str, *, partial: bool = False) -> str:
        """chat.postMessage under the reply's id; answers the message's ts."""
        message = {
            "channel": reply.address.channel,
            "text": escape(text),
            "client_msg_id": str(reply.id),
            "unfurl_links": False,
            "metadata": _metadata(reply, partial=partial),
        }
        if reply.address.thread:
            message["thread_ts"] = reply.address.thread
        answer = await self._post("chat.postMessage", message)
        if not answer.get("ts"):
            raise ChannelOutcomeUnknown("chat.postMessage gave no ts.")
        return str(answer["ts"])

    async def edit(self, reply: Reply, external_id: str, text: str, *, partial: bool = False) -> None:
        """chat.update: harmless to repeat."""
        message = {"channel": reply.address.channel, "ts": external_id, "text": escape(text)}
        await self._post("chat.update", message | {"metadata": _metadata(reply, partial=partial)})

    async def find(self, reply: Reply) -> Sighting | None:
        """Look for the reply's metadata among the latest messages of its channel or thread."""
        query = {
            "channel": reply.address.channel,
            "limit": str(HISTORY_LIMIT),
            "include_all_metadata": "true",
        }
        if reply.address.thread:
            found = await self._get("conversations.replies", query | {"ts": reply.address.thread} | _since(reply))
        else:
            found = await self._get("conversations.history", query | _since(reply))
        for message in found.get("messages", []):
            metadata = message.get("metadata") or {}
            if metadata.get("event_type") == METADATA_TYPE:
                payload = metadata.get("event_payload") or {}
                if payload.get("reply") == str(reply.id):
                    return Sighting(str(message["ts"]), not payload.get("final", True))
        return None

    async def show_status(self, address: Address, source_id: str, status: str) -> None:
        """assistant.threads.setStatus; Slack clears it with the next message, or after two minutes."""
        place = {"channel_id": address.channel, "thread_ts": address.thread or source_id}
        await self._post("assistant.threads.setStatus", place | {"status": status})

    async def fetch(self, attachment: Attachment, *, limit: int) -> bytes:
        """See Channel.fetch."""
        raise ChannelRefused(f"{attachment.name} cannot be fetched: this is not built yet, {limit}.")

    async def _post(self, method: str, message: dict[str, Any]) -> dict[str, Any]:
        return await self._call("POST", method, data=orjson.dumps(message))

    async def _get(self, method: str, query: dict[str, str]) -> dict[str, Any]:
        return await self._call("GET", method, params=query)

    async def _call(self, verb: str, method: str, **arguments: Any) -> dict[str, Any]:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                async with self._session.request(
                    verb, self._url + method, headers=self._headers, **arguments
                ) as response:
                    return _checked(method, response.status, response.headers.get("Retry-After"), await response.read())
        except aiohttp.ClientConnectorError as error:
            # No connection, so nothing left this machine; try again soon.
            raise ChannelBusy(1.0, f"Slack cannot be reached: {error}.") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ChannelOutcomeUnknown(f"{method} got no answer: {error or type(error).__name__}.") from error


def _metadata(reply: Reply, *, partial: bool) -> dict[str, Any]:
    payload = {"reply": str(reply.id), "turn": str(reply.turn), "part": reply.part, "final": not partial}
    return {"event_type": METADATA_TYPE, "event_payload": payload}


def _since(reply: Reply) -> dict[str, str]:
    if reply.created_at is None:
        return {}
    return {"oldest": f"{reply.created_at.timestamp() - 60:.6f}"}


def _checked(method: str, status: int, retry_after: str | None, body: bytes) -> dict[str, Any]:
    if status == HTTP_TOO_MANY:
        raise ChannelBusy(_seconds(retry_after), f"{method} is rate limited.")
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
        raise ChannelBusy(_seconds(retry_after), f"{method} is rate limited.")
    if error in _PASSING:
        raise ChannelOutcomeUnknown(f"{method} failed with {error}.")
    raise ChannelRefused(f"Slack refused {method}: {error}.")


def _seconds(retry_after: str | None) -> float:
    try:
        return min(max(float(retry_after or 1), 0.1), 3600.0)
    except ValueError:
        return 1.0

"""Slack's native streams: https://docs.slack.dev/reference/methods/chat.startStream. See decisions/0007.

What is remembered here is a hint: Slack's own answer decides whether a message still streams.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from konstruct.channels.slack.web_api import SlackRefused, WebApi
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown
from konstruct.messages import Reply

# Slack ends a stream after some five minutes.
STREAM_SECONDS = 240.0
MAX_REMEMBERED = 2_000
# A message that has not ended for so long is somebody else's by now.
FORGOTTEN_SECONDS = 600.0

_ENDED = {"message_not_in_streaming_state", "stopped_by_user"}
# The workspace has no streams at all (GovSlack, or the app may not).
_LACKING = {"unknown_method", "feature_not_enabled", "not_allowed_token_type", "method_deprecated"}


@dataclass(slots=True)
class Stream:
    """A reply's message. `open`: it takes more by appending; `shown`: what Slack is known to have of it."""

    begun: float
    shown: str = ""
    open: bool = True


class Streams:
    """The replies of one workspace that grow."""

    def __init__(self, api: WebApi, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds."""
        self._api = api
        self._clock = clock
        self._streams: dict[UUID, Stream] = {}
        self._offered = True

    async def start(self, reply: Reply, text: str) -> str | None:
        """Begin to stream; None where the message has to be posted and edited instead."""
        place = self._place(reply)
        if place is None or self._api.pace.wait("chat.startStream"):
            return None
        try:
            answer = await self._api.post("chat.startStream", place | {"markdown_text": text})
        except SlackRefused as refused:
            self._offered = self._offered and refused.code not in _LACKING
            return None
        except ChannelBusy:
            return None
        if not answer.get("ts"):
            raise ChannelOutcomeUnknown("chat.startStream gave no ts.")
        self._remember(reply.id, Stream(self._clock(), text))
        return str(answer["ts"])

    def wait_to_edit(self) -> float:
        """Seconds until one more edit leaves enough of the tier for the last edit of every message that grows so."""
        recent = self._clock() - FORGOTTEN_SECONDS
        growing = sum(not stream.open and stream.begun > recent for stream in self._streams.values())
        return self._api.pace.wait("chat.update", growing)

    def grows_by_edits(self, reply: Reply) -> None:
        """The reply's message is posted, not streamed; one edit at least will follow."""
        self._remember(reply.id, Stream(self._clock(), open=False))

    async def grow(self, reply: Reply, ts: str, text: str) -> bool:
        """Append what is new of the text so far. False: the message does not stream, edit it instead."""
        stream = self._streams.get(reply.id)
        if stream is None or not stream.open:
            return await self._closed(reply, ts, stream)
        if stream.shown.startswith(text):
            return True
        if not text.startswith(stream.shown) or self._is_old(stream):
            return await self._closed(reply, ts, stream)
        if wait := self._api.pace.wait("chat.appendStream"):
            raise ChannelBusy(wait, "chat.appendStream is paced.")
        more = {"channel": reply.address.channel, "ts": ts, "markdown_text": text.removeprefix(stream.shown)}
        return await self._extend(reply, stream, "chat.appendStream", more, text)

    async def finish(self, reply: Reply, ts: str, text: str, closing: dict[str, Any]) -> bool:
        """Append the rest and end the stream. False: the message does not stream (any more), edit it instead."""
        stream = self._streams.get(reply.id)
        if stream is None or not stream.open or not text.startswith(stream.shown) or self._is_old(stream):
            return await self._closed(reply, ts, stream)
        rest = text.removeprefix(stream.shown)
        more = {"channel": reply.address.channel, "ts": ts} | closing | ({"markdown_text": rest} if rest else {})
        if not await self._extend(reply, stream, "chat.stopStream", more, text):
            return False
        self.forget(reply)
        return True

    async def leave(self, reply: Reply, ts: str, mark: dict[str, Any]) -> None:
        """End the stream, if the message has one, with what it says by now."""
        if self._offered and reply.address.thread:
            with suppress(SlackRefused):
                await self._api.post("chat.stopStream", {"channel": reply.address.channel, "ts": ts, "metadata": mark})

    def forget(self, reply: Reply) -> None:
        """The reply is whole."""
        self._streams.pop(reply.id, None)

    def _place(self, reply: Reply) -> dict[str, Any] | None:
        """Where and to whom it would be streamed; None where that is not possible."""
        address = reply.address
        team, _, user = address.recipient.rpartition("/")
        if not self._offered or not address.thread or not (user or address.private):
            return None
        place = {"channel": address.channel, "thread_ts": address.thread}
        return place | ({"recipient_user_id": user, "recipient_team_id": team or address.team} if user else {})

    def _is_old(self, stream: Stream) -> bool:
        """Whether Slack may end it any moment: also an answer that is whole may have waited long for its turn."""
        return self._clock() - stream.begun > STREAM_SECONDS

    async def _extend(self, reply: Reply, stream: Stream, method: str, more: dict[str, Any], text: str) -> bool:
        # Until Slack answers it is not known what the message says: a stream in doubt is ended, and edited whole.
        del self._streams[reply.id]
        try:
            await self._api.post(method, more)
        except ChannelBusy:
            self._streams[reply.id] = stream
            raise
        except SlackRefused as refused:
            # What was refused is perhaps only what came with it, such as the buttons: the stream has to end.
            stream.open = refused.code not in _ENDED
            self._streams[reply.id] = stream
            return await self._closed(reply, str(more["ts"]), stream)
        stream.shown = text
        self._streams[reply.id] = stream
        return True

    async def _closed(self, reply: Reply, ts: str, stream: Stream | None) -> bool:
        """End the stream if the message may have one: only then Slack lets it be edited. Always False."""
        if stream is None or stream.open:
            if self._offered and reply.address.thread:
                try:
                    await self._api.post("chat.stopStream", {"channel": reply.address.channel, "ts": ts})
                except SlackRefused as refused:
                    self._offered = self._offered and refused.code not in _LACKING
            self._remember(reply.id, Stream(self._clock(), open=False))
        return False

    def _remember(self, reply: UUID, stream: Stream) -> None:
        self._streams[reply] = stream
        if len(self._streams) > MAX_REMEMBERED:
            del self._streams[next(iter(self._streams))]

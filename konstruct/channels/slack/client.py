"""A workspace as a channel: replies posted, streamed, edited, found again. https://docs.slack.dev/reference/methods."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

import structlog

from konstruct.channels.channel import Line
from konstruct.channels.slack import history
from konstruct.channels.slack.buttons import below
from konstruct.channels.slack.download import FETCH_SECONDS, download
from konstruct.channels.slack.escaping import escape
from konstruct.channels.slack.reactions import reaction_names
from konstruct.channels.slack.rendering import fallback, length, markdown_block, render, settled
from konstruct.channels.slack.responding import is_answerable, respond
from konstruct.channels.slack.stream import MAX_REMEMBERED, Streams
from konstruct.channels.slack.upload import upload
from konstruct.channels.slack.web_api import SEND_SECONDS, SlackRefused, WebApi, operation
from konstruct.choices import split_choices
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, ChannelRefused
from konstruct.messages import Address, Attachment, Reply, Sighting
from konstruct.parts import split

__all__ = ["SEND_SECONDS", "SlackChannel"]

# A markdown block takes 12,000 characters, and all blocks of a message little more.
LONGEST_CHARS = 11_000
# An answer over so many messages is sent as its beginning and a file with everything.
MOST_PARTS = 3
BEGINNING_CHARS = 1_500
IN_A_FILE = "*The whole answer is in the file below.*"
HISTORY_LIMIT = 100
GROWS_AFTER_SECONDS = 1.0
LOADING = ("Thinking it over…", "Looking through what was said…", "Working on the answer…", "Still at it…")

_UNEDITABLE = {"edit_window_closed", "cant_update_message", "message_not_found"}
_UNSHOWABLE = {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"}

log = structlog.get_logger()


class SlackChannel:
    """One workspace's Web API under one bot token."""

    grows = True
    status_seconds = 60.0  # Slack clears a status after two minutes
    marks_read = False
    reconciles_seconds: tuple[float, ...] = ()

    def __init__(self, line: Line) -> None:
        """`line.api_url` ends with a slash; the session is shared by all tenants of a process."""
        self._api = WebApi(line)
        self._account = line.account
        self._streams = Streams(self._api)
        # When this process first tried to show a reply, in Unix seconds: only until it is whole.
        self._begun: dict[UUID, float] = {}

    def split(self, text: str) -> list[str]:
        """Parts of a message's length; for an answer of many parts its beginning, and everything (sent as a file)."""
        parts = split(text, LONGEST_CHARS, length)
        if len(parts) <= MOST_PARTS:
            return parts
        said, choices = split_choices(text)
        beginning = split(said[: 4 * BEGINNING_CHARS], BEGINNING_CHARS, length)[0]
        offered = [f"[[{' | '.join(choices)}]]"] if choices else []
        return ["\n\n".join([beginning, IN_A_FILE, *offered]), said]

    def reacts(self, text: str) -> bool:
        """Whether it is nothing but one emoji."""
        return bool(reaction_names(text))

    async def send(self, reply: Reply, text: str, *, partial: bool = False) -> str:
        """Stream, post, react or upload under the reply's id; answers the message's ts (of a file: its id)."""
        if partial:
            return await self._begin(reply, text)
        self._begun.pop(reply.id, None)
        async with operation():
            if reply.source_id and (ts := await self._react(reply, text)):
                return ts
            if length(text) > LONGEST_CHARS:
                place = reply.address
                return await upload(self._api, place.channel, place.thread, history.file_name(reply), text.encode())
            return await self._post(reply, text, partial=False)

    async def edit(self, reply: Reply, external_id: str, text: str, *, partial: bool = False) -> None:
        """Append to the stream or edit the message; harmless to repeat."""
        async with operation():
            if partial:
                shown = settled(text)
                if shown and not await self._streams.grow(reply, external_id, render(shown)):
                    self._check_pace()
                    await self._update(reply, external_id, shown, partial=True)
                return
            mark = history.metadata(reply, partial=False)
            closing = {"blocks": below(reply, text), "metadata": mark}
            if not text:
                await self._streams.leave(reply, external_id, mark)
            elif not await self._streams.finish(reply, external_id, render(split_choices(text)[0]), closing):
                await self._replace(reply, external_id, text)
            self._streams.forget(reply)
            self._begun.pop(reply.id, None)

    async def find(self, reply: Reply) -> Sighting | None:
        """One look at the latest messages of the reply's channel or thread: Slack may allow no more in a minute."""
        since = history.since(reply, self._begun.get(reply.id))
        query = {"channel": reply.address.channel, "limit": str(HISTORY_LIMIT), "include_all_metadata": "true"}
        query |= {"oldest": f"{since:.6f}"} if since else {}
        async with operation():
            if reply.address.thread:
                found = await self._api.get("conversations.replies", query | {"ts": reply.address.thread})
            else:
                found = await self._api.get("conversations.history", query)
        return history.sighting(found.get("messages", []), reply, self._account, since)

    async def show_status(self, address: Address, source_id: str, status: str) -> None:
        """assistant.threads.setStatus; Slack clears it with the next message, or after two minutes."""
        place = {"channel_id": address.channel, "thread_ts": address.thread or source_id, "status": status}
        async with operation():
            await self._api.post(
                "assistant.threads.setStatus", place | ({"loading_messages": LOADING} if status else {})
            )

    async def fetch(self, attachment: Attachment, *, limit: int) -> bytes:
        """The file behind a private URL or a file's id; the token goes to Slack's own hosts only."""
        async with operation(FETCH_SECONDS):
            return await download(self._api, attachment, limit)

    async def upload(self, channel: str, filename: str, content: bytes, *, thread: str | None = None) -> str:
        """Share a file; answers its id. Not repeated under an id: a second call shares a second file."""
        async with operation():
            return await upload(self._api, channel, thread, filename, content)

    async def suggest_prompts(self, channel: str, thread: str | None, prompts: Sequence[tuple[str, str]]) -> None:
        """Offer prompts as (title, message), in a thread, or pinned to the app's messages tab without one."""
        offered = [{"title": title, "message": message} for title, message in prompts]
        place = {"channel_id": channel} | ({"thread_ts": thread} if thread else {})
        async with operation():
            await self._api.post("assistant.threads.setSuggestedPrompts", place | {"prompts": offered})

    async def publish_home(self, user: str, view: dict[str, Any]) -> None:
        """Show a person the app's Home tab."""
        async with operation():
            await self._api.post("views.publish", {"user_id": user, "view": view})

    async def unreact(self, channel: str, ts: str, name: str) -> None:
        """Take our reaction back; harmless where it is gone already."""
        async with operation():
            await self._reaction("reactions.remove", "no_reaction", channel, ts, name)

    async def _begin(self, reply: Reply, text: str) -> str:
        shown = settled(text)
        if not shown or self.reacts(shown):
            raise ChannelBusy(GROWS_AFTER_SECONDS, "There is too little to show yet.")
        self._begun.setdefault(reply.id, time.time())
        if len(self._begun) > MAX_REMEMBERED:
            del self._begun[next(iter(self._begun))]
        async with operation():
            ts = await self._streams.start(reply, render(shown))
            return ts if ts is not None else await self._post_to_grow(reply, shown)

    async def _post_to_grow(self, reply: Reply, text: str) -> str:
        self._check_pace()
        self._streams.grows_by_edits(reply)
        try:
            return await self._post(reply, text, partial=True)
        except (ChannelBusy, ChannelRefused):
            self._streams.forget(reply)
            raise

    def _check_pace(self) -> None:
        if wait := self._streams.wait_to_edit():
            raise ChannelBusy(wait, "chat.update is paced.")

    async def _react(self, reply: Reply, text: str) -> str | None:
        for name in reaction_names(text):
            try:
                await self._reaction("reactions.add", "already_reacted", reply.address.channel, reply.source_id, name)
            except SlackRefused as refused:
                if refused.code == "invalid_name":
                    continue
                return None  # the message is gone, or reactions are not allowed: say it instead
            return reply.source_id
        return None

    async def _reaction(self, method: str, fine: str, channel: str, ts: str, name: str) -> None:
        try:
            await self._api.post(method, {"channel": channel, "timestamp": ts, "name": name})
        except SlackRefused as refused:
            if refused.code != fine:
                raise

    async def _post(self, reply: Reply, text: str, *, partial: bool, again: UUID | None = None) -> str:
        message = {"client_msg_id": str(again or reply.id), "unfurl_links": False}
        if reply.address.thread:
            message["thread_ts"] = reply.address.thread
        try:
            answer = await self._say("chat.postMessage", reply, message, text, partial=partial)
        except SlackRefused as refused:
            if partial or not is_answerable(reply, refused):
                raise
            return await respond(self._api, reply, text)
        if not answer.get("ts"):
            raise ChannelOutcomeUnknown("chat.postMessage gave no ts.")
        return str(answer["ts"])

    async def _replace(self, reply: Reply, ts: str, text: str) -> None:
        try:
            await self._update(reply, ts, text, partial=False)
        except SlackRefused as refused:
            if refused.code == "streaming_state_conflict":
                self._streams.forget(reply)
                raise ChannelBusy(GROWS_AFTER_SECONDS, "The message still streams.") from refused
            if refused.code not in _UNEDITABLE:
                raise
            # A whole answer below its beginning is better than half of one.
            if not await self._is_below(reply, ts):
                await self._post(reply, text, partial=False, again=uuid5(reply.id, "whole"))

    async def _is_below(self, reply: Reply, ts: str) -> bool:
        try:
            seen = await self.find(replace(reply, external_id=ts))
        except SlackRefused as refused:
            log.warning("not looked for before it is posted again", reply=reply.id, reason=str(refused))
            return False
        return seen is not None and not seen.partial

    async def _update(self, reply: Reply, ts: str, text: str, *, partial: bool) -> None:
        await self._say("chat.update", reply, {"ts": ts}, text, partial=partial)

    async def _say(
        self, method: str, reply: Reply, message: dict[str, Any], text: str, *, partial: bool
    ) -> dict[str, Any]:
        said = text if partial else split_choices(text)[0]
        message |= {"channel": reply.address.channel, "metadata": history.metadata(reply, partial=partial)}
        # Words without what is pressed, or without their looks, are better than none.
        looks: list[dict[str, Any]] = [
            {"text": fallback(said), "blocks": [markdown_block(said), *([] if partial else below(reply, text))]},
            {"text": fallback(text), "blocks": [markdown_block(text)]},
        ]
        for look in looks:
            try:
                return await self._api.post(method, message | look)
            except SlackRefused as refused:
                if refused.code not in _UNSHOWABLE:
                    raise
        return await self._api.post(method, message | {"text": escape(text), "blocks": []})

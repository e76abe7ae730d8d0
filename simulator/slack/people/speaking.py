"""Messages, edits, deletions, reactions and files of people."""

import asyncio
import secrets
from base64 import b64decode
from typing import Any

from simulator.delivery import Said
from simulator.slack.app import App
from simulator.slack.event import SayKind, channel_type, message_event, new_event_id, rich_text
from simulator.slack.message import Content, Message
from simulator.slack.people.acting import ALICE, DM, Acting


class Speaking(Acting):
    """Says something, and what else one does with messages."""

    async def say(
        self,
        text: str,
        *,
        channel: str = DM,
        user: str = ALICE,
        team: str | None = None,
        thread_ts: str | None = None,
        kind: SayKind | None = None,
        event_id: str | None = None,
        copies: int = 1,
        from_team: str | None = None,
        broadcast: bool = False,
        files: list[dict[str, Any]] | None = None,
    ) -> Said:
        """Say something and deliver the event, `copies` times at once.

        The kind follows from the channel: "im" in D…, "app_mention" elsewhere; "message", "mpim" and "group" are
        not addressed to the app. `from_team`: the user's own workspace, where Slack Connect shares the channel.
        `broadcast`: a reply in a thread that is also sent to the channel.
        """
        app = self._world.installations.app_of(team)
        kind = kind or ("im" if channel.startswith("D") else "app_mention")
        if kind == "app_mention" and f"<@{app.bot_user}>" not in text:
            text = f"<@{app.bot_user}> {text}"
        message, more = self._post(app, channel, user, Content(text, {"files": files} if files else {}), thread_ts)
        if from_team:
            more |= {"team": from_team, "user_team": from_team, "source_team": from_team}
        subtype = {"subtype": "file_share"} if files else {"subtype": "thread_broadcast"} if broadcast else {}
        if broadcast and thread_ts:
            root = self._world.workspaces.channel(app.team, channel).by_ts.get(thread_ts)
            more["root"] = root.to_json() if root else {"ts": thread_ts}
        event_id, client_id = event_id or new_event_id(), message.extra["client_msg_id"]
        event = message_event(app, channel, message, kind, client_id, **more)
        sends = [self._send(app, event, subtype, event_id, from_team) for _ in range(copies)]
        if kind == "app_mention" and self._world.options.mentions_twice:
            twin = message_event(app, channel, message, "message", client_id, **more)
            sends.append(self._send(app, twin | {"channel_type": channel_type(channel)}, subtype, None, from_team))
        return (await asyncio.gather(*sends))[0]

    async def share(
        self,
        name: str,
        content: str = "",
        *,
        content_base64: str = "",
        mimetype: str = "text/plain",
        text: str = "",
        visible: bool = True,
        **how: Any,
    ) -> Said:
        """Share a file, with `text` beside it; `how` is what `say` takes.

        `visible` False: the event names only the file's id, as in a channel shared by Slack Connect.
        """
        app = self._world.installations.app_of(how.get("team"))
        raw = b64decode(content_base64) if content_base64 else content.encode()
        file = self._world.files.add(app.team, str(how.get("user", ALICE)), name, mimetype, raw)
        file.visible = visible
        return await self.say(text, files=[self._world.files.to_json(file)], **how)

    async def edit(self, ts: str, text: str, *, channel: str = DM, team: str | None = None) -> Said:
        """Change one's message."""
        app, message = self._found(team, channel, ts)
        before = message.to_json()
        self._world.workspaces.edit(app.team, channel, message, Content(text))
        return await self._changed(app, channel, message.to_json() | {"blocks": rich_text(text)}, before)

    async def unfurl(self, ts: str, *, channel: str = DM, team: str | None = None) -> Said:
        """Let Slack add a link's preview: a change that nobody made, which leaves the text as it was."""
        app, message = self._found(team, channel, ts)
        before = message.to_json()
        preview = {"from_url": "https://example.com/", "title": "Example", "id": 1}
        return await self._changed(app, channel, before | {"attachments": [preview]}, before)

    async def delete(self, ts: str, *, channel: str = DM, team: str | None = None) -> Said:
        """Take one's message back; the root of a thread leaves a tombstone."""
        app, message = self._found(team, channel, ts)
        before, place = message.to_json(), self._world.workspaces.channel(app.team, channel)
        self._world.workspaces.delete(app.team, channel, message)
        if any(not reply.deleted for reply in place.threads.get(ts, ())):
            tombstone = before | {"subtype": "tombstone", "text": "This message was deleted.", "user": "USLACKBOT"}
            return await self._changed(app, channel, tombstone, before)
        gone = {"subtype": "message_deleted", "deleted_ts": ts, "previous_message": before}
        return await self._world.sender.event(app, self._hidden(app, channel) | gone)

    async def react(self, ts: str, name: str, *, channel: str = DM, user: str = ALICE, team: str | None = None) -> Said:
        """React to a message with an emoji's name."""
        return await self._react("reaction_added", (ts, name), channel, user, team)

    async def unreact(
        self, ts: str, name: str, *, channel: str = DM, user: str = ALICE, team: str | None = None
    ) -> Said:
        """Take a reaction back."""
        return await self._react("reaction_removed", (ts, name), channel, user, team)

    def stop_stream(self, ts: str, *, channel: str = DM, team: str | None = None) -> None:
        """Press stop beside an answer that still streams."""
        _, message = self._found(team, channel, ts)
        if message.stream is None or not message.stream.open:
            raise LookupError(f"Message {ts} does not stream.")
        message.stream.stopped_by_user, message.stream.open = True, False

    def _post(
        self, app: App, channel: str, user: str, content: Content, thread_ts: str | None
    ) -> tuple[Message, dict[str, Any]]:
        client_id = secrets.token_hex(16)
        content.extra["client_msg_id"] = client_id
        post = self._world.workspaces.post
        message = post(app.team, channel, user, content, thread_ts=thread_ts, client_msg_id=client_id)
        files = content.extra.get("files")
        return message, {"files": files, "upload": False} if files else {}

    async def _send(
        self, app: App, event: dict[str, Any], subtype: dict[str, str], event_id: str | None, from_team: str | None
    ) -> Said:
        if event["type"] == "message":
            event = event | subtype
        return await self._world.sender.event(app, event, event_id=event_id, from_team=from_team)

    async def _changed(self, app: App, channel: str, message: dict[str, Any], before: dict[str, Any]) -> Said:
        change = {"subtype": "message_changed", "message": message, "previous_message": before}
        return await self._world.sender.event(app, self._hidden(app, channel) | change)

    def _hidden(self, app: App, channel: str) -> dict[str, Any]:
        ts, kind = self._world.workspaces.next_ts(app.team, channel), channel_type(channel)
        return {"type": "message", "hidden": True, "channel": channel, "ts": ts, "event_ts": ts, "channel_type": kind}

    async def _react(self, kind: str, what: tuple[str, str], channel: str, user: str, team: str | None) -> Said:
        ts, name = what
        app, message = self._found(team, channel, ts)
        workspaces = self._world.workspaces
        act = workspaces.react if kind == "reaction_added" else workspaces.unreact
        if not act(app.team, channel, message, user, name, by_app=False):
            raise LookupError(f"{user} cannot do that: {name} on {ts} is as wanted already.")
        event = {
            "type": kind,
            "user": user,
            "reaction": name,
            "item": {"type": "message", "channel": channel, "ts": ts},
            "item_user": message.user,
            "event_ts": workspaces.next_ts(app.team, channel),
        }
        return await self._world.sender.event(app, event)

"""The workspaces' memory: channels and threads of messages; every visible change goes onto the timeline."""

import time

from simulator.app import App
from simulator.message import Content, Message
from simulator.timeline import Entry, Kind, Timeline


class Channel:
    """One channel or direct message: its messages in order, and which of them are replies in a thread."""

    def __init__(self) -> None:
        self.by_ts: dict[str, Message] = {}
        self.by_client_id: dict[str, Message] = {}
        self.top_level: list[Message] = []
        self.threads: dict[str, list[Message]] = {}
        self._last_micros = 0

    def next_micros(self) -> int:
        """Return a timestamp later than every earlier one of this channel, in microseconds."""
        self._last_micros = max(time.time_ns() // 1000, self._last_micros + 1)
        return self._last_micros

    def add(self, message: Message) -> None:
        """Make the message part of the channel, or of its thread."""
        self.by_ts[message.ts] = message
        if message.thread_ts is None or message.thread_ts == message.ts:
            self.top_level.append(message)
        else:
            self.threads.setdefault(message.thread_ts, []).append(message)

    def thread(self, thread_ts: str) -> list[Message]:
        """Return the root, if it is known, and its replies, oldest first."""
        root = self.by_ts.get(thread_ts)
        return ([] if root is None else [root]) + self.threads.get(thread_ts, [])


class Workspaces:
    """All channels of all teams; every visible change goes through here onto the timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._channels: dict[tuple[str, str], Channel] = {}

    def channel(self, team: str, channel: str) -> Channel:
        """Return the channel; one that nobody spoke in yet is there as well, empty."""
        found = self._channels.get((team, channel))
        if found is None:
            found = self._channels[team, channel] = Channel()
        return found

    def post(
        self,
        team: str,
        channel: str,
        user: str,
        content: Content,
        *,
        bot: str | None = None,
        thread_ts: str | None = None,
        client_msg_id: str | None = None,
    ) -> Message:
        """Make a message visible and return it."""
        place = self.channel(team, channel)
        micros = place.next_micros()
        ts = f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
        message = Message(micros, ts, thread_ts, user, bot, content.text, content.shown, content.extra)
        place.add(message)
        self._record("message", team, channel, message, client_msg_id)
        return message

    def edit(self, team: str, channel: str, message: Message, content: Content) -> None:
        """Replace what the message says; further fields that the new content does not name stay."""
        message.text, message.shown = content.text, content.shown
        message.extra = {**message.extra, **content.extra}
        message.edits += 1
        self._record("edit", team, channel, message)

    def delete(self, team: str, channel: str, message: Message) -> None:
        """Take the message away; the timeline still tells that it was there."""
        message.deleted = True
        self._record("delete", team, channel, message)

    def show_status(self, app: App, channel: str, thread_ts: str, status: str) -> None:
        """Record the status that is seen in a thread now; "" takes it away."""
        timeline = self._timeline
        seq, at = len(timeline.entries), time.time()
        timeline.append(
            Entry(
                seq,
                at,
                "status",
                app.team,
                channel,
                thread_ts,
                thread_ts,
                app.bot_user,
                by_app=True,
                text=status,
            )
        )

    def react(self, app: App, channel: str, message: Message, name: str) -> None:
        """Record a reaction to a message."""
        timeline = self._timeline
        seq, at, ts = len(timeline.entries), time.time(), message.ts
        timeline.append(
            Entry(
                seq,
                at,
                "reaction",
                app.team,
                channel,
                ts,
                message.thread_ts,
                app.bot_user,
                by_app=True,
                text=name,
            )
        )

    def clear(self) -> None:
        """Forget all channels."""
        self._channels.clear()

    def _record(self, kind: Kind, team: str, channel: str, message: Message, client_msg_id: str | None = None) -> None:
        timeline = self._timeline
        timeline.append(
            Entry(
                len(timeline.entries),
                time.time(),
                kind,
                team,
                channel,
                message.ts,
                message.thread_ts,
                message.user,
                message.bot is not None,
                message.shown,
                client_msg_id,
                message.extra.get("metadata"),
            )
        )

"""The workspaces' memory: channels and threads of messages; every visible change goes onto the timeline."""

from collections.abc import Iterable
from typing import Any

from simulator.clock import Clock
from simulator.slack.app import App
from simulator.slack.message import Content, Message, Stream, to_ts
from simulator.timeline import Entry, Kind, Timeline


class Channel:
    """One channel or direct message: its messages in order, and which of them are replies in a thread."""

    def __init__(self) -> None:
        self.by_ts: dict[str, Message] = {}
        self.by_client_id: dict[str, Message] = {}
        self.top_level: list[Message] = []
        self.threads: dict[str, list[Message]] = {}
        self._last_micros = 0

    def next_micros(self, now: float) -> int:
        """Return a timestamp later than every earlier one of this channel, in microseconds."""
        self._last_micros = max(int(now * 1_000_000), self._last_micros + 1)
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

    def __init__(self, timeline: Timeline, clock: Clock) -> None:
        self.clock = clock
        self._timeline = timeline
        self._channels: dict[tuple[str, str], Channel] = {}
        # What each user sees in the app's home tab: (team, user) -> view.
        self.homes: dict[tuple[str, str], dict[str, Any]] = {}

    def team_of(self, teams: Iterable[str], channel: str) -> str | None:
        """Return the first team in which somebody spoke in the channel."""
        return next((team for team in teams if (team, channel) in self._channels), None)

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
        stream: Stream | None = None,
    ) -> Message:
        """Make a message visible and return it."""
        place = self.channel(team, channel)
        micros = place.next_micros(self.clock.now())
        message = Message(micros, to_ts(micros), thread_ts, user, bot, content.text, content.extra, stream=stream)
        place.add(message)
        self._record("message", team, channel, message, client_msg_id)
        return message

    def edit(self, team: str, channel: str, message: Message, content: Content) -> None:
        """Replace what the message says; further fields that the new content does not name stay."""
        message.text = content.text
        message.extra = {**message.extra, **content.extra}
        message.edits += 1
        if message.stream is not None and content.extra.get("blocks"):
            message.stream = None
        self._record("edit", team, channel, message)

    def append(self, team: str, channel: str, message: Message) -> None:
        """Record that a streamed message has grown, or that its stream was stopped."""
        self._record("edit", team, channel, message)

    def delete(self, team: str, channel: str, message: Message) -> None:
        """Take the message away; the timeline still tells that it was there."""
        message.deleted = True
        self._record("delete", team, channel, message)

    def whisper(self, app: App, channel: str, user: str, content: Content, thread_ts: str | None = None) -> str:
        """Show one user something that only they see and that is kept nowhere; return its timestamp."""
        ts = self.next_ts(app.team, channel)
        spoken = Message(0, ts, thread_ts, user, app.bot, content.text, content.extra)
        self._record("ephemeral", app.team, channel, spoken)
        return ts

    def show(self, kind: Kind, app: App, place: tuple[str, str], text: str, blocks: list[dict[str, Any]]) -> None:
        """Record what stands beside the messages: a home tab, prompts, a title. `place`: channel and thread."""
        timeline, now = self._timeline, self.clock.now()
        channel, thread_ts = place
        seen = (app.team, channel, thread_ts, thread_ts or None, app.bot_user)
        timeline.append(Entry(len(timeline.entries), now, kind, *seen, by_app=True, text=text, blocks=blocks))

    def next_ts(self, team: str, channel: str) -> str:
        """Return a timestamp later than every earlier one of the channel."""
        return to_ts(self.channel(team, channel).next_micros(self.clock.now()))

    def show_status(self, app: App, channel: str, thread_ts: str, status: str) -> None:
        """Record the status that is seen in a thread now; "" takes it away."""
        timeline, now = self._timeline, self.clock.now()
        place = (app.team, channel, thread_ts, thread_ts, app.bot_user)
        timeline.append(Entry(len(timeline.entries), now, "status", *place, by_app=True, text=status))

    def react(self, team: str, channel: str, message: Message, user: str, name: str, *, by_app: bool) -> bool:
        """Let a user react; returns False where the same reaction is there already."""
        users = message.reactions.setdefault(name, [])
        if user in users:
            return False
        users.append(user)
        self._record_reaction("reaction", (team, channel, message.ts, message.thread_ts, user), name, by_app=by_app)
        return True

    def unreact(self, team: str, channel: str, message: Message, user: str, name: str, *, by_app: bool) -> bool:
        """Take a user's reaction back; returns False where there is none."""
        users = message.reactions.get(name, [])
        if user not in users:
            return False
        users.remove(user)
        if not users:
            del message.reactions[name]
        place = (team, channel, message.ts, message.thread_ts, user)
        self._record_reaction("reaction_removed", place, name, by_app=by_app)
        return True

    def clear(self) -> None:
        """Forget all channels and home tabs."""
        self._channels.clear()
        self.homes.clear()

    def _record_reaction(
        self, kind: Kind, place: tuple[str, str, str, str | None, str], name: str, *, by_app: bool
    ) -> None:
        timeline, now = self._timeline, self.clock.now()
        timeline.append(Entry(len(timeline.entries), now, kind, *place, by_app=by_app, text=name))

    def _record(self, kind: Kind, team: str, channel: str, message: Message, client_msg_id: str | None = None) -> None:
        timeline, stream = self._timeline, message.stream
        cards = list(stream.cards.values()) if stream else []
        timeline.append(
            Entry(
                len(timeline.entries),
                self.clock.now(),
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
                [*cards, *message.extra.get("blocks", ())] or None,
                None if stream is None else stream.open,
                message.extra.get("files"),
            )
        )

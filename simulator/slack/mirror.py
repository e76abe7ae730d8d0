"""What an app hears of itself: Slack tells it of its own messages as of everybody's."""

import asyncio
from typing import Any

from simulator.slack.event import channel_type
from simulator.slack.world import World
from simulator.timeline import Entry, Timeline


class Mirror:
    """Listens to the timeline; silent unless the option `own_events` is on."""

    def __init__(self, world: World, timeline: Timeline) -> None:
        self._world = world
        self._tasks: set[asyncio.Task[Any]] = set()
        self._said: dict[tuple[str, str, str], dict[str, Any]] = {}
        timeline.listen(self._hear)

    async def stop(self) -> None:
        """Tell no more."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _hear(self, entry: Entry) -> None:
        if not (self._world.options.own_events and entry.by_app):
            return
        event = self._reaction(entry) if entry.kind.startswith("reaction") else self._message(entry)
        if event is not None:
            app = self._world.installations.app_of(entry.team)
            task = asyncio.create_task(self._world.sender.event(app, event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _message(self, entry: Entry) -> dict[str, Any] | None:
        message = self._world.workspaces.channel(entry.team, entry.channel).by_ts.get(entry.ts)
        if message is None or entry.kind not in ("message", "edit", "delete"):
            return None
        app, key = self._world.installations.app_of(entry.team), (entry.team, entry.channel, entry.ts)
        around = {"channel": entry.channel, "channel_type": channel_type(entry.channel)}
        profile = {"id": app.bot, "app_id": app.app, "name": app.name, "team_id": app.team}
        before, now = self._said.get(key), message.to_json() | {"app_id": app.app, "bot_profile": profile}
        self._said[key] = now
        if entry.kind == "message":
            return now | around | {"team": app.team, "event_ts": entry.ts}
        hidden = {"type": "message", "hidden": True, **around, "previous_message": before or now}
        ts = {"ts": entry.ts, "event_ts": f"{entry.at:.6f}"}
        if entry.kind == "delete":
            return hidden | ts | {"subtype": "message_deleted", "deleted_ts": entry.ts}
        return hidden | ts | {"subtype": "message_changed", "message": now}

    def _reaction(self, entry: Entry) -> dict[str, Any]:
        return {
            "type": "reaction_added" if entry.kind == "reaction" else "reaction_removed",
            "user": entry.user,
            "reaction": entry.text,
            "item": {"type": "message", "channel": entry.channel, "ts": entry.ts},
            "event_ts": f"{entry.at:.6f}",
        }

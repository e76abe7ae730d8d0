"""What people look at, and where they join."""

from collections.abc import Sequence
from typing import Any

from simulator.delivery import Said
from simulator.slack.people.acting import ALICE, DM, Acting


class Visiting(Acting):
    """Opens the app, looks around, joins channels."""

    async def open_home(
        self, *, tab: str = "messages", channel: str = DM, user: str = ALICE, team: str | None = None
    ) -> Said:
        """Open the app: its tab "messages" (the conversation) or "home"."""
        event = {"type": "app_home_opened", "user": user, "channel": channel, "tab": tab}
        return await self._happen(event, channel, team)

    async def look_at(
        self,
        entities: Sequence[dict[str, Any]] = (),
        *,
        channel: str = DM,
        user: str = ALICE,
        team: str | None = None,
        bare: bool = False,
    ) -> Said:
        """Look at things beside the app, such as {"type": "slack#/types/channel_id", "value": "C1X"}.

        `bare`: the event tells neither who nor where, as one of Slack's own examples does.
        """
        context = {"entities": list(entities)} if entities else {}
        event: dict[str, Any] = {"type": "app_context_changed", "context": context}
        if not bare:
            event |= {"user": user, "channel": channel}
        return await self._happen(event, channel, team)

    async def join(
        self, channel: str, *, user: str | None = None, inviter: str = ALICE, team: str | None = None
    ) -> Said:
        """Add a user to a channel; by default the app itself."""
        app = self._world.installations.app_of(team)
        event = {
            "type": "member_joined_channel",
            "user": user or app.bot_user,
            "channel": channel,
            "channel_type": "C",
            "team": app.team,
            "inviter": inviter,
        }
        return await self._happen(event, channel, team)

    async def _happen(self, event: dict[str, Any], channel: str, team: str | None) -> Said:
        app = self._world.installations.app_of(team)
        return await self._world.sender.event(
            app, event | {"event_ts": self._world.workspaces.next_ts(app.team, channel)}
        )

"""What happens to an installed app: checks of its URLs, limits, revoked tokens, its end."""

import secrets
import time
from typing import Any

from simulator.delivery import Said
from simulator.slack.world import World


class Admin:
    """Acts as Slack itself, or as a workspace's administrator."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def verify_url(self, *, team: str | None = None, challenge: str | None = None) -> Said:
        """Ask the events URL to give a challenge back; the answer's body is in `answer`."""
        body = {"type": "url_verification", "token": "deprecated", "challenge": challenge or secrets.token_hex(20)}
        return await self._world.sender.raw(self._world.installations.app_of(team), body)

    async def check_ssl(self, *, team: str | None = None) -> Said:
        """Look whether the commands URL has a good certificate."""
        app = self._world.installations.app_of(team)
        return await self._world.sender.command(app, "", {"ssl_check": "1", "token": "deprecated"})

    async def limit_events(self, *, team: str | None = None) -> Said:
        """Tell the app that it gets no more events for a minute."""
        app = self._world.installations.app_of(team)
        body = {"type": "app_rate_limited", "token": "deprecated", "team_id": app.team, "api_app_id": app.app}
        return await self._world.sender.raw(app, body | {"minute_rate_limited": int(time.time()) // 60 * 60})

    async def revoke_tokens(
        self, *, team: str | None = None, effective: bool = True, event_time: int | None = None
    ) -> Said:
        """Revoke the app's tokens and tell it; `effective` False: only tell, as an event that comes late does."""
        app = self._world.installations.app_of(team)
        if effective:
            self._world.installations.revoke(app)
        event = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [app.bot_user]}}
        return await self._tell(app.team, event, event_time)

    async def uninstall(self, *, team: str | None = None, revoked_first: bool = True) -> list[Said]:
        """Remove the app and tell it: tokens_revoked and app_uninstalled, in either order."""
        app = self._world.installations.app_of(team)
        events: list[dict[str, Any]] = [
            {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [app.bot_user]}},
            {"type": "app_uninstalled"},
        ]
        said = [await self._tell(app.team, event, None) for event in events[:: 1 if revoked_first else -1]]
        self._world.installations.uninstall(app)
        return said

    async def _tell(self, team: str, event: dict[str, Any], event_time: int | None) -> Said:
        app = self._world.installations.app_of(team)
        event = event | {"event_ts": f"{event_time or self._world.clock.now():.6f}"}
        return await self._world.sender.event(app, event, event_time=event_time)

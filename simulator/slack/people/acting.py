"""What all acts of people need."""

from simulator.slack.app import App
from simulator.slack.message import Message
from simulator.slack.world import World

DM, ALICE = "D0ALICE", "U0ALICE"


class Acting:
    """Somebody acts in this world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _found(self, team: str | None, channel: str, ts: str) -> tuple[App, Message]:
        app = self._world.installations.app_of(team)
        message = self._world.workspaces.channel(app.team, channel).by_ts.get(ts)
        if message is None:
            raise LookupError(f"There is no message {ts} in {channel}.")
        return app, message

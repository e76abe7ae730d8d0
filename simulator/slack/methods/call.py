"""What a method is given: one authenticated call of one app."""

import re
from dataclasses import dataclass
from typing import Any

from simulator.slack.app import App
from simulator.slack.arguments import text_of
from simulator.slack.message import Message
from simulator.slack.options import Options
from simulator.slack.refusal import Refused
from simulator.slack.workspace import Channel, Workspaces
from simulator.slack.world import World

CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]{2,}\Z")
USER_ID = re.compile(r"[UW][A-Z0-9]+\Z")


@dataclass(frozen=True, slots=True)
class Call:
    """A method takes it and returns the answer's fields, or raises `Refused`."""

    app: App
    arguments: dict[str, Any]
    world: World

    @property
    def workspaces(self) -> Workspaces:
        """The world's messages."""
        return self.world.workspaces

    @property
    def options(self) -> Options:
        """How this Slack behaves."""
        return self.world.options

    def channel(self, name: str = "channel") -> tuple[str, Channel]:
        """Return the channel that the call names; raises Refused if there can be none of that id."""
        channel = self.text(name)
        if not CHANNEL_ID.match(channel):
            raise Refused("channel_not_found")
        return channel, self.workspaces.channel(self.app.team, channel)

    def message(self, name: str = "ts") -> tuple[str, Message]:
        """Return the channel and the message that the call names; raises Refused where there is none."""
        channel, place = self.channel()
        message = place.by_ts.get(self.text(name))
        if message is None or message.deleted:
            raise Refused("message_not_found")
        return channel, message

    def own_message(self, otherwise: str) -> tuple[str, Message]:
        """Return the same; raises Refused with `otherwise` where another than this app wrote it."""
        channel, message = self.message()
        if message.bot != self.app.bot:
            raise Refused(otherwise)
        return channel, message

    def user(self, name: str = "user") -> str:
        """Return the user that the call names; raises Refused if there can be none of that id."""
        return self.user_named(self.text(name))

    @staticmethod
    def user_named(user: str) -> str:
        """Return the id; raises Refused if it can be no user's."""
        if not USER_ID.match(user):
            raise Refused("user_not_found")
        return user

    def text(self, name: str) -> str:
        """Return the argument as text, "" where it is missing."""
        return text_of(self.arguments, name)

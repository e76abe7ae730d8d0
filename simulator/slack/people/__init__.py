"""People: what they say, press and visit; each act is what Slack then sends to the app."""

from simulator.slack.people.pressing import Pressing
from simulator.slack.people.speaking import Speaking
from simulator.slack.people.visiting import Visiting

__all__ = ["People"]


class People(Speaking, Pressing, Visiting):
    """Every act names a channel, a user and, if there are several, a team; raises LookupError for unknown ones."""

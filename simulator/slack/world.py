"""All parts of the simulated Slack, for whoever acts in it: a method that an app calls, or a person."""

from dataclasses import dataclass

from simulator.clock import Clock
from simulator.slack.files import Files
from simulator.slack.installations import Installations
from simulator.slack.options import Options
from simulator.slack.sender import Sender
from simulator.slack.workspace import Workspaces


@dataclass(frozen=True, slots=True)
class World:
    """The same for all apps and people."""

    installations: Installations
    workspaces: Workspaces
    files: Files
    sender: Sender
    options: Options
    clock: Clock

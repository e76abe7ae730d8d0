"""Slack without Slack: a real HTTP server with its Web API, its Events API and its faults.

Belongs here: what Slack does. Not here: anything of Konstruct; this package imports nothing of ours.
"""

from simulator.faults import Fault
from simulator.slack import App, Said, SlackSimulator
from simulator.timeline import Entry

__all__ = ["App", "Entry", "Fault", "Said", "SlackSimulator"]

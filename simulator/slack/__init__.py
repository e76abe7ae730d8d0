"""Slack: its Web API, its Events API, its people."""

from simulator.slack.app import App
from simulator.slack.sender import Said
from simulator.slack.simulator import SlackSimulator

__all__ = ["App", "Said", "SlackSimulator"]

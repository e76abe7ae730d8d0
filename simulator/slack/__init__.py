"""Slack: its Web API, its Events API, its people."""

from simulator.slack.app import App
from simulator.slack.simulator import Said, SlackSimulator

__all__ = ["App", "Said", "SlackSimulator"]

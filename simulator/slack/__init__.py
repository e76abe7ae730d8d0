"""Slack: its Web API, its Events API, its people."""

from simulator.delivery import Said
from simulator.slack.app import App
from simulator.slack.simulator import SlackSimulator

__all__ = ["App", "Said", "SlackSimulator"]

"""Slack: signed events in, Web API out. Facts from https://docs.slack.dev (Events API, Web API, rate limits)."""

from konstruct.channels.slack.client import SlackChannel
from konstruct.channels.slack.escaping import escape, unescape
from konstruct.channels.slack.events import Challenge, Ignored, Message, Unreadable, parse
from konstruct.channels.slack.signature import verify

__all__ = ["Challenge", "Ignored", "Message", "SlackChannel", "Unreadable", "escape", "parse", "unescape", "verify"]

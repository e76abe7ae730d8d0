"""Slack: signed events in, Web API out. Facts from https://docs.slack.dev (Events API, Web API, rate limits)."""

from konstruct.channels.slack.client import SlackChannel
from konstruct.channels.slack.escaping import escape, unescape
from konstruct.channels.slack.events import parse, read
from konstruct.channels.slack.records import (
    Challenge,
    Disconnected,
    Event,
    Ignored,
    Message,
    Opened,
    Reaction,
    Source,
    Unreadable,
)
from konstruct.channels.slack.signature import verify

__all__ = [
    "Challenge",
    "Disconnected",
    "Event",
    "Ignored",
    "Message",
    "Opened",
    "Reaction",
    "SlackChannel",
    "Source",
    "Unreadable",
    "escape",
    "parse",
    "read",
    "unescape",
    "verify",
]

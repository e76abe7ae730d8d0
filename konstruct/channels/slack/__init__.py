"""Slack: signed events in, Web API out. Facts from https://docs.slack.dev (Events API, Web API, rate limits)."""

from konstruct.channels.slack.buttons import CHOICE_ACTION, FEEDBACK_ACTION, read_feedback
from konstruct.channels.slack.client import SlackChannel
from konstruct.channels.slack.escaping import escape, unescape
from konstruct.channels.slack.events import parse, read
from konstruct.channels.slack.follow_ups import is_late, said_since
from konstruct.channels.slack.forms import Checked, Command, Pressed, command, commanded, interacted, interaction
from konstruct.channels.slack.oauth import Client
from konstruct.channels.slack.reactions import reaction_sign
from konstruct.channels.slack.records import (
    Challenge,
    Disconnected,
    Event,
    Ignored,
    Limited,
    Message,
    Opened,
    Reaction,
    Source,
    Unreadable,
)
from konstruct.channels.slack.signature import Signature, check_form, verify
from konstruct.channels.slack.web_api import WebApi

__all__ = [
    "CHOICE_ACTION",
    "FEEDBACK_ACTION",
    "Challenge",
    "Checked",
    "Client",
    "Command",
    "Disconnected",
    "Event",
    "Ignored",
    "Limited",
    "Message",
    "Opened",
    "Pressed",
    "Reaction",
    "Signature",
    "SlackChannel",
    "Source",
    "Unreadable",
    "WebApi",
    "check_form",
    "command",
    "commanded",
    "escape",
    "interacted",
    "interaction",
    "is_late",
    "parse",
    "reaction_sign",
    "read",
    "read_feedback",
    "said_since",
    "unescape",
    "verify",
]

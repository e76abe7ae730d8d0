"""What people press and type: interactions and slash commands, form-encoded.

https://docs.slack.dev/interactivity/handling-user-interaction and …/interactivity/implementing-slash-commands.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from konstruct.channels.slack.fields import identifier, listed, mapping, named, plain
from konstruct.channels.slack.records import Ignored, Source, Unreadable

NOBODY = Source("", "")
MAX_FIELDS = 100
MAX_ACTION_CHARS = 255
MAX_URL_CHARS = 500


@dataclass(frozen=True, slots=True)
class Pressed:
    """A person pressed a button of a message."""

    source: Source
    channel: str
    thread: str
    ts: str  # of the message with the button
    user: str
    user_team: str
    action: str
    value: str
    message: dict[str, Any]  # the message as it reads now


@dataclass(frozen=True, slots=True)
class Command:
    """A person typed a slash command."""

    source: Source
    channel: str
    user: str
    text: str
    trigger: str  # unique to this invocation
    response_url: str = ""  # where it can be answered whether or not the app is a member


@dataclass(frozen=True, slots=True)
class Checked:
    """Slack looks whether the URL answers; nothing is asked."""


def interaction(body: bytes) -> Pressed | Ignored | Unreadable:
    """Parse an interactivity callback. Never raises."""
    try:
        return interacted(json.loads(_fields(body).get("payload", "")))
    except (ValueError, RecursionError):
        return Unreadable(NOBODY, "an interaction without a payload in JSON")


def interacted(payload: Any) -> Pressed | Ignored | Unreadable:
    """An interaction that came as JSON; over Socket Mode it is the payload of an envelope."""
    if not isinstance(payload, dict):
        return Unreadable(NOBODY, "an interaction whose payload is no object")
    message = mapping(payload.get("message"))
    source = _source(payload, message)
    if payload.get("type") != "block_actions":
        return Ignored(source, f"an interaction of type {named(payload.get('type'))}")
    actions = listed(payload.get("actions"))
    return _pressed(source, payload, message, actions[0]) if actions else Unreadable(source, "an empty interaction")


def command(body: bytes) -> Command | Checked | Unreadable:
    """Parse a slash command. Never raises."""
    return commanded(_fields(body))


def commanded(fields: Mapping[str, Any]) -> Command | Checked | Unreadable:
    """A command's fields; over Socket Mode they are the payload of an envelope."""
    if fields.get("ssl_check") == "1":
        return Checked()
    app, team, enterprise = (identifier(fields.get(name)) for name in ("api_app_id", "team_id", "enterprise_id"))
    source = Source(app, team, enterprise if str(fields.get("is_enterprise_install")).lower() == "true" else "")
    channel, user, trigger = (identifier(fields.get(name)) for name in ("channel_id", "user_id", "trigger_id"))
    if not (channel and user and trigger):
        return Unreadable(source, "a command without channel_id, user_id or trigger_id")
    url = plain(fields.get("response_url"))
    text = plain(fields.get("text")).strip()
    return Command(source, channel, user, text, trigger, url if len(url) <= MAX_URL_CHARS else "")


def _fields(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        return {}


def _source(payload: dict[str, Any], message: dict[str, Any]) -> Source:
    # In Slack Connect `team` is the presser's; our own message says where the app is installed.
    app, team = identifier(payload.get("api_app_id")), identifier(mapping(payload.get("team")).get("id"))
    enterprise = identifier(mapping(payload.get("enterprise")).get("id"))
    installed = identifier(message.get("team")) or team
    return Source(app, installed, enterprise if payload.get("is_enterprise_install") is True else "")


def _pressed(
    source: Source, payload: dict[str, Any], message: dict[str, Any], action: dict[str, Any]
) -> Pressed | Ignored | Unreadable:
    place, user = mapping(payload.get("container")), mapping(payload.get("user"))
    channel = identifier(mapping(payload.get("channel")).get("id")) or identifier(place.get("channel_id"))
    ts = identifier(message.get("ts")) or identifier(place.get("message_ts"))
    who, name = identifier(user.get("id")), plain(action.get("action_id"))[:MAX_ACTION_CHARS]
    if not (who and name):
        return Unreadable(source, "a button without action_id or user")
    if not (channel and ts):
        return Ignored(source, "a button outside a message")
    thread = identifier(message.get("thread_ts")) or identifier(place.get("thread_ts"))
    value = plain(action.get("value")).strip()
    return Pressed(source, channel, thread, ts, who, identifier(user.get("team_id")), name, value, message)

"""Slack's event callbacks, parsed to what Konstruct acts on: https://docs.slack.dev/apis/events-api."""

import json
import re
from dataclasses import dataclass
from typing import Any

from konstruct.messages import Address

MAX_TEXT_CHARS = 40_000
# Slack's ids have some 12 characters; longer ones would fit no index, and are remembered before they are verified.
MAX_ID_CHARS = 64

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Challenge:
    """Slack checks the URL: answer with this value."""

    app: str
    team: str
    challenge: str


@dataclass(frozen=True, slots=True)
class Message:
    """A person said something to the employee, in a direct message or by mentioning it."""

    app: str
    team: str
    address: Address
    user: str
    text: str
    ts: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A well-formed event that asks for nothing: `reason` says why."""

    app: str
    team: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Not an event callback as Slack documents it."""

    app: str
    team: str
    reason: str


def parse(body: bytes) -> Challenge | Message | Ignored | Unreadable:
    """Parse a raw request body. Never raises: whatever it is gets a name."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return Unreadable("", "", "the body is not JSON")
    if not isinstance(payload, dict):
        return Unreadable("", "", "the body is not a JSON object")
    app, team = _id(payload.get("api_app_id")), _team(payload)
    match payload.get("type"):
        case "url_verification" if isinstance(payload.get("challenge"), str):
            return Challenge(app, team, _text(payload["challenge"]))
        case "event_callback" if isinstance(payload.get("event"), dict):
            return _event(app, team, payload["event"])
        case "app_rate_limited":
            return Ignored(app, team, "Slack limits this workspace's events for a minute")
        case other:
            return Unreadable(app, team, f"unknown callback type {str(other)[:80]!r}")


def _team(payload: dict[str, Any]) -> str:
    # In Slack Connect the top-level team is the sender's; the installation is in authorizations.
    authorizations = payload.get("authorizations")
    if isinstance(authorizations, list) and authorizations and isinstance(authorizations[0], dict):
        found = _id(authorizations[0].get("team_id"))
        if found:
            return found
    return _id(payload.get("team_id"))


def _event(app: str, team: str, event: dict[str, Any]) -> Message | Ignored | Unreadable:
    kind = event.get("type")
    if kind not in ("message", "app_mention"):
        return Ignored(app, team, f"nothing to do for {str(kind)[:80]!r}")
    if event.get("subtype") or event.get("hidden"):
        return Ignored(app, team, f"message subtype {str(event.get('subtype'))[:80]!r}")
    if event.get("bot_id") or event.get("bot_profile") or event.get("user") == "USLACKBOT":
        return Ignored(app, team, "written by a bot")
    channel, user, ts = _id(event.get("channel")), _id(event.get("user")), _id(event.get("ts"))
    if not (channel and user and ts):
        return Unreadable(app, team, "a message without channel, user or ts")
    direct = event.get("channel_type") == "im" or channel.startswith("D")
    if kind == "message" and not direct:
        return Ignored(app, team, "a channel message that does not mention the employee")
    text = _text(event.get("text"))[:MAX_TEXT_CHARS].strip()
    if not text:
        return Ignored(app, team, "a message without text")
    thread = _id(event.get("thread_ts")) or (None if direct else ts)
    return Message(app, team, Address(team, channel, thread, private=direct), user, text, ts)


def _id(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= MAX_ID_CHARS else ""


def _text(value: Any) -> str:
    # PostgreSQL stores neither NUL nor lone surrogates.
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else ""

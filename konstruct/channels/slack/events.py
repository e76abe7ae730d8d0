"""Slack's event callbacks, parsed to what Konstruct acts on: https://docs.slack.dev/apis/events-api."""

from typing import Any

from konstruct.channels.slack.fields import identifier, listed, mapping, named, plain
from konstruct.channels.slack.message_events import message, sender_team
from konstruct.channels.slack.records import (
    Challenge,
    Disconnected,
    Event,
    Ignored,
    Limited,
    Opened,
    Reaction,
    Source,
    Unreadable,
)
from konstruct.wellformed import parsed

MAX_EMOJI_CHARS = 100
NOBODY = Source("", "")


def parse(body: bytes) -> Event:
    """Parse a raw request body. Never raises: whatever it is gets a name."""
    try:
        payload = parsed(body)
    except (ValueError, RecursionError):
        return Unreadable(NOBODY, "the body is not JSON")
    return read(payload)


def read(payload: Any) -> Event:
    """A callback that came as JSON; over Socket Mode it is the payload of an envelope."""
    if not isinstance(payload, dict):
        return Unreadable(NOBODY, "the body is not a JSON object")
    source = _source(payload)
    match payload.get("type"):
        case "url_verification" if isinstance(payload.get("challenge"), str):
            return Challenge(source, plain(payload["challenge"]))
        case "event_callback" if isinstance(payload.get("event"), dict):
            return _event(source, payload, payload["event"])
        case "app_rate_limited":
            return Limited(source)
        case other:
            return Unreadable(source, f"unknown callback type {named(other)}")


def _source(payload: dict[str, Any]) -> Source:
    # In Slack Connect the top-level team is the sender's; the installation is in authorizations.
    authorizations = listed(payload.get("authorizations"))
    app, team = identifier(payload.get("api_app_id")), identifier(payload.get("team_id"))
    if authorizations:
        granted = authorizations[0]
        team = identifier(granted.get("team_id")) or team
        if granted.get("is_enterprise_install") is True:
            return Source(app, team, identifier(granted.get("enterprise_id")))
    elif not team:
        return Source(app, team, identifier(payload.get("enterprise_id")))
    return Source(app, team)


def _event(source: Source, payload: dict[str, Any], event: dict[str, Any]) -> Event:
    match event.get("type"):
        case "message" | "app_mention":
            return message(source, event)
        case "reaction_added" | "reaction_removed":
            return _reaction(source, event)
        case "app_home_opened":
            return _opened(source, event)
        case "app_uninstalled":
            return Disconnected(source, _moment(payload.get("event_time")))
        case "tokens_revoked":
            return _revoked(source, payload, event)
        case "app_context_changed":
            # decisions/0017: it is neither stored nor shown to a model.
            return Ignored(source, "what a person looks at is not for the employee")
        case other:
            return Ignored(source, f"nothing to do for {named(other)}")


def _reaction(source: Source, event: dict[str, Any]) -> Reaction | Ignored | Unreadable:
    item = mapping(event.get("item"))
    if item.get("type") != "message":
        return Ignored(source, "a reaction to something that is no message")
    channel, ts, user = identifier(item.get("channel")), identifier(item.get("ts")), identifier(event.get("user"))
    name, at = plain(event.get("reaction"))[:MAX_EMOJI_CHARS], identifier(event.get("event_ts"))
    if not (channel and ts and user and name and at):
        return Unreadable(source, "a reaction without channel, ts, user, name or event_ts")
    return Reaction(source, channel, ts, user, sender_team(event), name, event["type"] == "reaction_removed", at)


def _opened(source: Source, event: dict[str, Any]) -> Opened | Ignored:
    user, channel, tab = identifier(event.get("user")), identifier(event.get("channel")), event.get("tab")
    if not user or tab not in ("messages", "home"):
        return Ignored(source, "a tab that the employee does not fill")
    return Opened(source, user, channel, tab)


def _revoked(source: Source, payload: dict[str, Any], event: dict[str, Any]) -> Disconnected | Ignored:
    bots = mapping(event.get("tokens")).get("bot")
    accounts = tuple(filter(None, map(identifier, bots))) if isinstance(bots, list) else ()
    if not accounts:
        return Ignored(source, "only tokens of persons were revoked")
    return Disconnected(source, _moment(payload.get("event_time")), accounts)


def _moment(value: Any) -> float:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40 else 0.0

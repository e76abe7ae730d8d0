"""The Events API's callbacks, built and signed as Slack builds and signs them."""

import hashlib
import hmac
import secrets
import time
from typing import Any, Literal

import orjson

from simulator.slack.app import App
from simulator.slack.message import Message

SayKind = Literal["im", "app_mention", "message", "mpim", "group"]
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def message_event(
    app: App, channel: str, message: Message, kind: SayKind, client_id: str, **more: Any
) -> dict[str, Any]:
    """Build the inner event of a person's message: `message.im`, `app_mention`, `message.channels` and so on."""
    event: dict[str, Any] = {
        "type": "app_mention" if kind == "app_mention" else "message",
        "user": message.user,
        "ts": message.ts,
        "client_msg_id": client_id,
        "text": message.text,
        "team": app.team,
        "blocks": rich_text(message.text),
        "channel": channel,
        "event_ts": message.ts,
    }
    if message.thread_ts is not None:
        event["thread_ts"] = message.thread_ts
    if kind != "app_mention":
        event["channel_type"] = channel_type(channel, kind)
    return event | more


def channel_type(channel: str, kind: SayKind = "message") -> str:
    """Return Slack's word for the kind of channel."""
    if kind in ("im", "mpim", "group"):
        return kind
    return {"D": "im", "G": "mpim"}.get(channel[:1], "channel")


def rich_text(text: str) -> list[dict[str, Any]]:
    """Return the blocks that Slack makes of what a person typed."""
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return [{"type": "rich_text", "block_id": "b1", "elements": [section]}]


def new_event_id() -> str:
    """Return an id that no other event has."""
    return f"Ev{secrets.token_hex(5).upper()}"


def callback(
    app: App, event: dict[str, Any], event_id: str, *, from_team: str | None = None, name_team: bool = True
) -> dict[str, Any]:
    """Wrap an inner event. `from_team`: the workspace on the other side of a channel shared by Slack Connect.

    `name_team` False: the authorization of an org-wide installation names no workspace.
    """
    authorization = {
        "enterprise_id": app.enterprise,
        "team_id": app.team if name_team or not app.org_wide else None,
        "user_id": app.bot_user,
        "is_bot": True,
        "is_enterprise_install": app.org_wide,
    }
    wrapped = {
        "token": "deprecated-verification-token",
        "team_id": from_team or app.team,
        "context_team_id": app.team,
        "context_enterprise_id": app.enterprise,
        "api_app_id": app.app,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(time.time()),
        "authorizations": [authorization],
        "is_ext_shared_channel": from_team is not None,
        "event_context": f"4-{event_id}",
    }
    return wrapped | ({"enterprise_id": app.enterprise} if app.enterprise else {})


def envelope(app: App, event: dict[str, Any], event_id: str) -> bytes:
    """Return the body that is POSTed for an inner event."""
    return orjson.dumps(callback(app, event, event_id))


def signed(app: App, body: bytes, retry: int = 0, reason: str = "", *, content_type: str = JSON) -> dict[str, str]:
    """Return the headers of a delivery made now; `retry` is its number after the first."""
    timestamp = str(int(time.time()))
    digest = hmac.new(app.signing_secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": content_type,
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={digest}",
    }
    if retry:
        headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": reason}
    return headers

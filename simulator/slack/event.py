"""The Events API's callbacks, built and signed as Slack builds and signs them."""

import hashlib
import hmac
import secrets
import time
from typing import Any, Literal

import orjson

from simulator.slack.app import App
from simulator.slack.message import Message

SayKind = Literal["im", "app_mention", "message"]


def message_event(app: App, channel: str, message: Message, kind: SayKind, client_id: str) -> dict[str, Any]:
    """Build the inner event of a person's message: `message.im`, `app_mention` or `message.channels`."""
    event: dict[str, Any] = {
        "type": "app_mention" if kind == "app_mention" else "message",
        "user": message.user,
        "ts": message.ts,
        "client_msg_id": client_id,
        "text": message.text,
        "team": app.team,
        "blocks": _rich_text(message.text),
        "channel": channel,
        "event_ts": message.ts,
    }
    if message.thread_ts is not None:
        event["thread_ts"] = message.thread_ts
    if kind != "app_mention":
        event["channel_type"] = "im" if kind == "im" else "channel"
    return event


def new_event_id() -> str:
    """Return an id that no other event has."""
    return f"Ev{secrets.token_hex(5).upper()}"


def envelope(app: App, event: dict[str, Any], event_id: str) -> bytes:
    """Wrap an inner event into the body that is POSTed."""
    authorization = {
        "enterprise_id": None,
        "team_id": app.team,
        "user_id": app.bot_user,
        "is_bot": True,
        "is_enterprise_install": False,
    }
    callback = {
        "token": "deprecated-verification-token",
        "team_id": app.team,
        "context_team_id": app.team,
        "context_enterprise_id": None,
        "api_app_id": app.app,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(time.time()),
        "authorizations": [authorization],
        "is_ext_shared_channel": False,
        "event_context": f"4-{event_id}",
    }
    return orjson.dumps(callback)


def signed(app: App, body: bytes, retry: int = 0, reason: str = "") -> dict[str, str]:
    """Return the headers of a delivery made now; `retry` is its number after the first."""
    timestamp = str(int(time.time()))
    digest = hmac.new(app.signing_secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={digest}",
    }
    if retry:
        headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": reason}
    return headers


def _rich_text(text: str) -> list[dict[str, Any]]:
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return [{"type": "rich_text", "block_id": "b1", "elements": [section]}]

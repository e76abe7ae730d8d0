"""Webhook requests made ready in advance, so that the load generator costs little while it measures."""

import itertools
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from simulator import App
from simulator.slack.event import envelope, message_event, new_event_id, signed
from simulator.slack.message import Message

_last = itertools.count(time.time_ns() // 1000)


def requests(app: App, url: str, channels: Sequence[str], count: int) -> Iterator[bytes]:
    """`count` signed direct messages as whole HTTP requests to `url`, in these channels in turn."""
    made = []
    for number in range(count):
        body = event_body(app, channels[number % len(channels)], f"Order {number}: when will it arrive?")
        made.append(http_request(url, body, signed(app, body)))
    return iter(made)


def event_body(app: App, channel: str, text: str) -> bytes:
    """One event whose message has never been sent before."""
    micros = next(_last)
    ts = f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
    message = Message(micros, ts, None, f"U{channel}", None, text)
    return envelope(app, message_event(app, channel, message, "im", ts), new_event_id())


def http_request(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """HTTP/1.1, kept alive."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body

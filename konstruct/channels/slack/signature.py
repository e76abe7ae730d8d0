"""Slack's request signature, version 0: https://docs.slack.dev/authentication/verifying-requests-from-slack."""

import hmac
from collections.abc import Iterable

from konstruct.errors import SignatureRejected

REPLAY_WINDOW_SECONDS = 300


def verify(body: bytes, timestamp: str | None, signature: str | None, secrets: Iterable[str], now: float) -> None:
    """Raise SignatureRejected unless one of `secrets` signed these raw bytes within the replay window of `now`."""
    if not timestamp or not signature:
        raise SignatureRejected("The request carries no Slack signature.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        raise SignatureRejected("X-Slack-Request-Timestamp is not a whole number of seconds.")
    if abs(now - int(timestamp)) > REPLAY_WINDOW_SECONDS:
        raise SignatureRejected("The request is older than five minutes or dated in the future.")
    signed = b"v0:" + timestamp.encode() + b":" + body
    given = signature.encode("utf-8", "replace")
    for secret in secrets:
        if secret and hmac.compare_digest(given, f"v0={_digest(secret, signed)}".encode()):
            return
    raise SignatureRejected("The signature does not match the app's signing secret.")


def _digest(secret: str, signed: bytes) -> str:
    return hmac.digest(secret.encode(), signed, "sha256").hex()

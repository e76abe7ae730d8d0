"""Slack's request signature, version 0: https://docs.slack.dev/authentication/verifying-requests-from-slack."""

import hmac
import re
from collections.abc import Iterable

from konstruct.errors import SignatureRejected

REPLAY_WINDOW_SECONDS = 300
_FORM = re.compile("v0=[0-9a-f]{64}")


def verify(body: bytes, timestamp: str | None, signature: str | None, secrets: Iterable[str], now: float) -> None:
    """Raise SignatureRejected unless one of `secrets` signed these raw bytes within the replay window of `now`."""
    stamp, given = check_form(timestamp, signature, now)
    signed = b"v0:" + stamp + b":" + body
    for secret in secrets:
        if secret and hmac.compare_digest(given, f"v0={_digest(secret, signed)}".encode()):
            return
    raise SignatureRejected("The signature does not match the app's signing secret.")


def check_form(timestamp: str | None, signature: str | None, now: float) -> tuple[bytes, bytes]:
    """Raise SignatureRejected for what no secret can have signed, whatever the body; answers both as bytes."""
    if not timestamp or not signature:
        raise SignatureRejected("The request carries no Slack signature.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        raise SignatureRejected("X-Slack-Request-Timestamp is not a whole number of seconds.")
    if abs(now - int(timestamp)) > REPLAY_WINDOW_SECONDS:
        raise SignatureRejected("The request is older than five minutes or dated in the future.")
    if not _FORM.fullmatch(signature):
        raise SignatureRejected("X-Slack-Signature is not v0= and 64 hexadecimal digits.")
    return timestamp.encode(), signature.encode()


def _digest(secret: str, signed: bytes) -> str:
    return hmac.digest(secret.encode(), signed, "sha256").hex()

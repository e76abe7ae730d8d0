"""Slack's request signature, version 0: https://docs.slack.dev/authentication/verifying-requests-from-slack."""

import hmac
import re
from collections.abc import Iterable
from typing import NamedTuple

from konstruct.errors import SignatureRejected

REPLAY_WINDOW_SECONDS = 300
_FORM = re.compile("v0=[0-9a-f]{64}")


class Signature(NamedTuple):
    """What may be one, and was within the replay window when it came: only `check_form` makes them."""

    stamp: bytes
    given: bytes


def check_form(timestamp: str | None, signature: str | None, now: float) -> Signature:
    """Raise SignatureRejected for what no secret can have signed within the replay window, whatever the body."""
    if not timestamp or not signature:
        raise SignatureRejected("The request carries no Slack signature.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        raise SignatureRejected("X-Slack-Request-Timestamp is not a whole number of seconds.")
    if abs(now - int(timestamp)) > REPLAY_WINDOW_SECONDS:
        raise SignatureRejected("The request is older than five minutes or dated in the future.")
    if not _FORM.fullmatch(signature):
        raise SignatureRejected("X-Slack-Signature is not v0= and 64 hexadecimal digits.")
    return Signature(timestamp.encode(), signature.encode())


def verify(body: bytes, signature: Signature, secrets: Iterable[str]) -> None:
    """Raise SignatureRejected unless one of `secrets` signed these raw bytes at that time."""
    signed = b"v0:" + signature.stamp + b":" + body
    for secret in secrets:
        if secret and hmac.compare_digest(signature.given, f"v0={_digest(secret, signed)}".encode()):
            return
    raise SignatureRejected("The signature does not match the app's signing secret.")


def _digest(secret: str, signed: bytes) -> str:
    return hmac.digest(secret.encode(), signed, "sha256").hex()

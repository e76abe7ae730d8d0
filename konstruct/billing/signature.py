"""Stripe's request signature, see https://docs.stripe.com/webhooks#verify-manually."""

import hmac
from collections.abc import Sequence
from hashlib import sha256

from konstruct.errors import SignatureRejected

TOLERANCE_SECONDS = 300
MOST_SIGNATURES = 20


def verify(secrets: Sequence[str], header: str, body: bytes, now: float) -> None:
    """Check the raw body against every secret; raises SignatureRejected that says what to look at."""
    stamp, signatures = _parts(header)
    if abs(now - stamp) > TOLERANCE_SECONDS:
        raise SignatureRejected(
            f"The event was signed {now - stamp:.0f} s ago; only {TOLERANCE_SECONDS} s are accepted. "
            "Where Stripe has just sent it, this machine's clock is wrong."
        )
    for secret in filter(None, secrets):
        expected = hmac.new(secret.encode(), b"%d." % stamp + body, sha256).hexdigest().encode()
        if any(hmac.compare_digest(expected, signature) for signature in signatures):
            return
    raise SignatureRejected(
        f"No signature fits: none of the {len(secrets)} secrets in KONSTRUCT_STRIPE_WEBHOOK_SECRETS is that of the "
        "endpoint that sends here. Stripe's Dashboard shows it as signing secret (whsec_…)."
    )


def _parts(header: str) -> tuple[int, list[bytes]]:
    stamp: int | None = None
    signatures = []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t" and value.isascii() and value.isdigit() and len(value) < 16:
            stamp = int(value)
        elif name == "v1":
            signatures.append(value.encode("utf-8", "replace"))
    if stamp is None or not signatures or len(signatures) > MOST_SIGNATURES:
        raise SignatureRejected("The header Stripe-Signature is missing, or holds no time and v1 signature.")
    return stamp, signatures

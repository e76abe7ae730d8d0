"""Meta's webhook signature: https://developers.facebook.com/docs/graph-api/webhooks/getting-started."""

import hashlib
import hmac
from collections.abc import Iterable

from konstruct.errors import SignatureRejected


def verify(body: bytes, signature: str | None, secrets: Iterable[str]) -> frozenset[str]:
    """Raise SignatureRejected unless one of `secrets` signed these raw bytes; answers those that did."""
    if not signature:
        raise SignatureRejected("The request carries no X-Hub-Signature-256.")
    given = signature.encode("utf-8", "replace")
    signers = frozenset(
        secret for secret in secrets if secret and hmac.compare_digest(given, b"sha256=" + _digest(secret, body))
    )
    if not signers:
        raise SignatureRejected("The signature does not match the app secret of any number in the request.")
    return signers


def _digest(secret: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()

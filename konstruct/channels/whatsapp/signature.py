"""Meta's webhook signature: https://developers.facebook.com/docs/graph-api/webhooks/getting-started."""

import hashlib
import hmac
import re
from collections.abc import Iterable

from konstruct.errors import SignatureRejected

_FORM = re.compile("sha256=[0-9a-f]{64}")


def check_form(signature: str | None) -> bytes:
    """Raise SignatureRejected for what is no signature, whatever the body; answers it as bytes."""
    if not signature:
        raise SignatureRejected("The request carries no X-Hub-Signature-256.")
    if not _FORM.fullmatch(signature):
        raise SignatureRejected("X-Hub-Signature-256 is not sha256= and 64 hexadecimal digits.")
    return signature.encode()


def verify(body: bytes, signature: bytes, secrets: Iterable[str]) -> str:
    """Raise SignatureRejected unless one of `secrets` signed these raw bytes; answers that one."""
    for secret in secrets:
        if secret and hmac.compare_digest(signature, b"sha256=" + _digest(secret, body)):
            return secret
    raise SignatureRejected("The signature does not match the app secret of any number in the request.")


def _digest(secret: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()

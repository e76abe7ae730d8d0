"""Who a visitor is, signed by the site that embeds the chat: visitor and expiry, bound to the site by HMAC-SHA256."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable

from konstruct.errors import SignatureRejected

LONGEST_LIFE_SECONDS = 31 * 24 * 3600

VISITOR = re.compile(r"[A-Za-z0-9_@+-]{1,64}")
_TOKEN = re.compile(rf"(?P<visitor>{VISITOR.pattern})\.(?P<expires>[0-9]{{1,12}})\.(?P<signature>[A-Za-z0-9_-]{{43}})")


def sign(secret: str, site: str, visitor: str, expires: int) -> str:
    """`visitor.expires.signature`; `expires` in Unix seconds. Raises ValueError for a visitor it cannot name."""
    if not VISITOR.fullmatch(visitor):
        raise ValueError("A visitor is named by 1 to 64 letters, digits, and _ @ + -")
    return f"{visitor}.{expires}.{_signature(secret, site, visitor, expires)}"


def verify(token: str, site: str, secrets: Iterable[str], now: float) -> str:
    """The visitor; raises SignatureRejected unless one of `secrets` signed it for this site and it has not expired."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise SignatureRejected("The chat's token is missing or malformed.")
    visitor, expires = match["visitor"], int(match["expires"])
    signatures = [_signature(secret, site, visitor, expires) for secret in secrets if secret]
    if not any(hmac.compare_digest(signature, match["signature"]) for signature in signatures):
        raise SignatureRejected("The chat's token is not signed for this site.")
    if not now < expires <= now + LONGEST_LIFE_SECONDS:
        raise SignatureRejected("The chat's token has expired, or is made to last too long.")
    return visitor


def _signature(secret: str, site: str, visitor: str, expires: int) -> str:
    signed = hmac.new(secret.encode(), f"konstruct-web:1:{site}:{visitor}:{expires}".encode(), hashlib.sha256)
    return urlsafe_b64encode(signed.digest()).decode().rstrip("=")

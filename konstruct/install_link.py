"""Links that let one person attach a workspace to one tenant, and nobody else: signed by this installation."""

import hmac
from hashlib import sha256
from urllib.parse import urlencode

from konstruct.errors import SignatureRejected
from konstruct.vault import derived

LINK_DAYS = 7
_PURPOSE = b"install-link"


def install_link(public_url: str, master_keys: tuple[str, ...], tenant: str, now: float) -> str:
    """The link for this tenant, good for LINK_DAYS."""
    until = int(now) + LINK_DAYS * 86_400
    query = {
        "tenant": tenant,
        "until": until,
        "signature": _signature(derived(master_keys, _PURPOSE)[0], tenant, until),
    }
    return f"{public_url.rstrip('/')}/slack/install?{urlencode(query)}"


def check_link(master_keys: tuple[str, ...], tenant: str, until: str, signature: str, now: float) -> None:
    """Raises SignatureRejected unless this installation made the link, and not too long ago."""
    if not (until.isascii() and until.isdigit() and len(until) < 16):
        raise SignatureRejected("The link is not whole.")
    given = signature.encode("utf-8", "replace")
    keys = derived(master_keys, _PURPOSE)
    if not any(hmac.compare_digest(given, _signature(key, tenant, int(until)).encode()) for key in keys):
        raise SignatureRejected("The link was not made by this installation, or was altered.")
    if int(until) < now:
        raise SignatureRejected("The link is older than a week.")


def _signature(key: bytes, tenant: str, until: int) -> str:
    return hmac.new(key, f"{until}:{tenant}".encode("utf-8", "replace"), sha256).hexdigest()

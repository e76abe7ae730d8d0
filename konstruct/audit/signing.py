"""Ed25519 keys of the audit, derived from the master keys like everything secret; and which public keys to trust."""

import hmac
from collections.abc import Iterable
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from konstruct.vault import derived


class Signer:
    """Signs with the key of the newest master key; knows those of the others."""

    def __init__(self, master_keys: tuple[str, ...]) -> None:
        """Raises SettingsInvalid without a usable master key."""
        keys = [Ed25519PrivateKey.from_private_bytes(seed) for seed in derived(master_keys, b"audit")]
        self._key = keys[0]
        self._marking = derived(master_keys, b"audit-mark")
        self.known = tuple(key.public_key().public_bytes_raw().hex() for key in keys)

    @property
    def public_key(self) -> str:
        """Hexadecimal, 64 characters."""
        return self.known[0]

    def sign(self, content: str) -> bytes:
        """64 bytes."""
        return self._key.sign(content.encode())

    def marks(self, tenant: UUID) -> list[bytes]:
        """What the tenant is called in the chain of all tenants, newest key first."""
        return [hmac.digest(key, tenant.bytes, "sha256")[:16] for key in self._marking]


def is_signed(content: str, signature: bytes, public_key: str) -> bool:
    """Whether the owner of this key signed exactly this."""
    try:
        _public(public_key).verify(signature, content.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def trusted(known: Iterable[str], vouched: Iterable[tuple[str, str]]) -> set[str]:
    """Our own keys, and those that a trusted key vouches for: pairs of (key, the one before), in any order."""
    before = dict(vouched)
    found, left = set[str](), list(known)
    while left:
        key = left.pop()
        if key not in found:
            found.add(key)
            left += [before[key]] if before.get(key) else []
    return found


@lru_cache(64)
def _public(key: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))

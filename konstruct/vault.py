"""Secrets at rest: MultiFernet with a key derived per tenant, so a ciphertext moved to another tenant stays shut."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from konstruct.errors import SecretUnreadable, SettingsInvalid

NO_KEY = (
    "KONSTRUCT_MASTER_KEYS is not set: `konstruct up` finds the keys of this machine's installation, or makes "
    "its first; elsewhere set those that the stored secrets were encrypted with."
)
# Four characters of a shorter one would be too much of it.
SHORTEST_WITH_ENDING = 16


class Vault:
    """Encrypts and decrypts the secrets of tenants. The first master key encrypts, all of them decrypt."""

    def __init__(self, master_keys: tuple[str, ...]) -> None:
        """`master_keys`: Fernet keys. Raises SettingsInvalid if there is none or one is malformed."""
        if not master_keys:
            raise SettingsInvalid(NO_KEY)
        self._masters = [_decode(key, place) for place, key in enumerate(master_keys, 1)]
        self._boxes: dict[UUID, MultiFernet] = {}

    def encrypt(self, tenant: UUID, secret: str) -> bytes:
        """Ciphertext that only this tenant's key opens."""
        return self._box(tenant).encrypt(secret.encode())

    def decrypt(self, tenant: UUID, ciphertext: bytes, what: str = "A secret") -> str:
        """The secret; raises SecretUnreadable for another tenant's, a damaged one, or a lost master key."""
        try:
            return self._box(tenant).decrypt(ciphertext).decode()
        except (InvalidToken, UnicodeDecodeError):
            raise unreadable(what, str(tenant)) from None

    def rotate(self, tenant: UUID, ciphertext: bytes) -> bytes:
        """The same secret under the newest master key. Raises SecretUnreadable."""
        try:
            return self._box(tenant).rotate(ciphertext)
        except InvalidToken:
            raise unreadable("A secret", str(tenant)) from None

    def opener(self, tenant: UUID, ciphertext: bytes) -> int | None:
        """Which master key opens it: 0 is the newest, None that none does."""
        for place, key in enumerate(self._keys(tenant)):
            with suppress(InvalidToken):
                key.decrypt(ciphertext)
                return place
        return None

    def _box(self, tenant: UUID) -> MultiFernet:
        if tenant not in self._boxes:
            self._boxes[tenant] = MultiFernet(self._keys(tenant))
        return self._boxes[tenant]

    def _keys(self, tenant: UUID) -> list[Fernet]:
        keys = [_derive(master, b"tenant:" + tenant.bytes) for master in self._masters]
        return [Fernet(urlsafe_b64encode(key)) for key in keys]


def unreadable(what: str, tenant: str) -> SecretUnreadable:
    """The error that says which secret, why and what to do."""
    return SecretUnreadable(
        f"{what} of tenant {tenant} cannot be decrypted: it is damaged, another tenant's, or was encrypted with a "
        "master key that is not in KONSTRUCT_MASTER_KEYS. Add that key, or set this secret anew."
    )


def ending(secret: str) -> str:
    """All that a listing may show of a secret: its last four characters, and nothing of a short one."""
    return f"…{secret[-4:]}" if len(secret) >= SHORTEST_WITH_ENDING else "…"


def fingerprint(master_key: str) -> str:
    """A master key's name in listings, that tells nothing of it. Raises SettingsInvalid."""
    return _derive(_decode(master_key), b"fingerprint").hex()[:8]


def local_model_token(master_keys: tuple[str, ...]) -> str:
    """Bearer token between our processes and the local model's gateway: one per master key.

    While keys rotate, processes know different keys, but always one that is known to both.
    """
    return ",".join(key.hex() for key in derived(master_keys, b"local-model"))


def cache_salt(master_keys: tuple[str, ...], tenant: UUID) -> str:
    """Salt of the tenant's prompts in a model's prefix cache: what others asked can be told from no answer's speed."""
    (newest, *_) = derived(master_keys, b"cache:" + tenant.bytes)
    return newest.hex()


def derived(master_keys: tuple[str, ...], purpose: bytes) -> tuple[bytes, ...]:
    """One key per master key, newest first, for a purpose of its own."""
    if not master_keys:
        raise SettingsInvalid(NO_KEY)
    return tuple(_derive(_decode(key, place), purpose) for place, key in enumerate(master_keys, 1))


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"konstruct:" + purpose).derive(master)


def _decode(key: str, place: int = 1) -> bytes:
    try:
        raw = urlsafe_b64decode(key)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise SettingsInvalid(
            f"Key {place} in KONSTRUCT_MASTER_KEYS is malformed: each is 32 bytes in URL-safe base64, 44 characters. "
            "Restore it from your backup; `konstruct keys generate` makes one where nothing is encrypted yet."
        )
    return raw

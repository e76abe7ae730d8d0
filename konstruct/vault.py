"""Secrets at rest: MultiFernet with a key derived per tenant, so a ciphertext moved to another tenant stays shut."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from konstruct.errors import SecretUnreadable, SettingsInvalid


class Vault:
    """Encrypts and decrypts the secrets of tenants. The first master key encrypts, all of them decrypt."""

    def __init__(self, master_keys: tuple[str, ...]) -> None:
        """`master_keys`: Fernet keys. Raises SettingsInvalid if there is none or one is malformed."""
        if not master_keys:
            raise SettingsInvalid("KONSTRUCT_MASTER_KEYS is not set; `konstruct up` creates one, or set a Fernet key.")
        self._masters = [_decode(key) for key in master_keys]
        self._boxes: dict[UUID, MultiFernet] = {}

    def encrypt(self, tenant: UUID, secret: str) -> bytes:
        """Ciphertext that only this tenant's key opens."""
        return self._box(tenant).encrypt(secret.encode())

    def decrypt(self, tenant: UUID, ciphertext: bytes) -> str:
        """The secret; raises SecretUnreadable for another tenant's ciphertext or a lost master key."""
        try:
            return self._box(tenant).decrypt(ciphertext).decode()
        except InvalidToken:
            raise SecretUnreadable(
                f"A secret of tenant {tenant} was encrypted with a master key that is not in KONSTRUCT_MASTER_KEYS."
            ) from None

    def _box(self, tenant: UUID) -> MultiFernet:
        if tenant not in self._boxes:
            keys = [_derive(master, b"tenant:" + tenant.bytes) for master in self._masters]
            self._boxes[tenant] = MultiFernet([Fernet(urlsafe_b64encode(key)) for key in keys])
        return self._boxes[tenant]


def local_model_token(master_keys: tuple[str, ...]) -> str:
    """Bearer token between our processes and the local model's gateway, the same in every process."""
    if not master_keys:
        raise SettingsInvalid("KONSTRUCT_MASTER_KEYS is not set; `konstruct up` creates one, or set a Fernet key.")
    return _derive(_decode(master_keys[0]), b"local-model").hex()


def cache_salt(master_keys: tuple[str, ...], tenant: UUID) -> str:
    """Salt of the tenant's prompts in a model's prefix cache: what others asked can be told from no answer's speed."""
    (newest, *_) = derived(master_keys, b"cache:" + tenant.bytes)
    return newest.hex()


def derived(master_keys: tuple[str, ...], purpose: bytes) -> tuple[bytes, ...]:
    """One key per master key, newest first, for a purpose of its own."""
    if not master_keys:
        raise SettingsInvalid("KONSTRUCT_MASTER_KEYS is not set; `konstruct up` creates one, or set a Fernet key.")
    return tuple(_derive(_decode(key), purpose) for key in master_keys)


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"konstruct:" + purpose).derive(master)


def _decode(key: str) -> bytes:
    try:
        raw = urlsafe_b64decode(key)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise SettingsInvalid("KONSTRUCT_MASTER_KEYS holds a malformed key; each is 32 bytes in URL-safe base64.")
    return raw

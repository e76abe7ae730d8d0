"""Secrets at rest: each tenant's stay its own, and master keys can be changed without losing any."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from konstruct.errors import SecretUnreadable, SettingsInvalid
from konstruct.identity import tenant_id
from konstruct.vault import Vault, ending, fingerprint, local_model_token

ACME, GLOBEX = tenant_id("acme"), tenant_id("globex")
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_encrypted_can_be_decrypted(secret: str) -> None:
    vault = Vault((OLD,))
    assert vault.decrypt(ACME, vault.encrypt(ACME, secret)) == secret


def test_a_ciphertext_moved_to_another_tenant_stays_shut() -> None:
    vault = Vault((OLD,))
    stolen = vault.encrypt(ACME, "xoxb-acme")
    vault.encrypt(GLOBEX, "warm")
    with pytest.raises(SecretUnreadable) as caught:
        vault.decrypt(GLOBEX, stolen)
    assert "KONSTRUCT_MASTER_KEYS" in str(caught.value)
    assert vault.decrypt(ACME, stolen) == "xoxb-acme"


def test_swapped_ciphertexts_of_two_tenants_both_stay_shut() -> None:
    vault = Vault((OLD,))
    ours, theirs = vault.encrypt(ACME, "a"), vault.encrypt(GLOBEX, "b")
    for tenant, ciphertext in ((ACME, theirs), (GLOBEX, ours)):
        with pytest.raises(SecretUnreadable):
            vault.decrypt(tenant, ciphertext)


def test_rotation_reads_old_secrets_and_writes_with_the_first_key() -> None:
    kept = Vault((OLD,)).encrypt(ACME, "secret")
    rotating = Vault((NEW, OLD))
    assert rotating.decrypt(ACME, kept) == "secret"
    fresh = rotating.encrypt(ACME, "secret")
    assert Vault((NEW,)).decrypt(ACME, fresh) == "secret"
    with pytest.raises(SecretUnreadable):
        Vault((OLD,)).decrypt(ACME, fresh)
    with pytest.raises(SecretUnreadable):
        Vault((NEW,)).decrypt(ACME, kept)


def test_rotation_does_not_open_secrets_for_another_tenant() -> None:
    kept = Vault((OLD,)).encrypt(ACME, "secret")
    with pytest.raises(SecretUnreadable):
        Vault((NEW, OLD)).decrypt(GLOBEX, kept)


@pytest.mark.parametrize("broken", [b"", b"gAAAA", b"not a token at all", b"\xff\x00"])
def test_what_is_no_ciphertext_is_unreadable(broken: bytes) -> None:
    with pytest.raises(SecretUnreadable):
        Vault((OLD,)).decrypt(ACME, broken)


def test_an_altered_ciphertext_is_unreadable() -> None:
    ciphertext = bytearray(Vault((OLD,)).encrypt(ACME, "secret"))
    ciphertext[20] ^= 1
    with pytest.raises(SecretUnreadable):
        Vault((OLD,)).decrypt(ACME, bytes(ciphertext))


def test_the_same_secret_never_looks_the_same_twice_and_never_shows() -> None:
    vault = Vault((OLD,))
    one, two = vault.encrypt(ACME, "planted-secret"), vault.encrypt(ACME, "planted-secret")
    assert one != two
    assert b"planted" not in one
    assert "planted" not in repr(vault)
    assert OLD not in repr(vault)


@pytest.mark.parametrize("keys", [(), ("short",), ("not base64 at all!",), (OLD, "x" * 44), ("ключ",)])
def test_missing_or_malformed_master_keys_stop_with_a_sentence(keys: tuple[str, ...]) -> None:
    with pytest.raises(SettingsInvalid, match="KONSTRUCT_MASTER_KEYS") as caught:
        Vault(keys)
    assert OLD not in str(caught.value)
    with pytest.raises(SettingsInvalid):
        local_model_token(keys[-1:])


def test_the_local_models_token_is_stable_and_reveals_no_key() -> None:
    assert local_model_token((NEW, OLD)).split(",") == [local_model_token((NEW,)), local_model_token((OLD,))]
    assert local_model_token((NEW,)) != local_model_token((OLD,))
    assert len(bytes.fromhex(local_model_token((NEW,)))) == 32


def test_the_newest_key_is_told_from_the_others_and_a_secret_moves_to_it() -> None:
    kept, rotating = Vault((OLD,)).encrypt(ACME, "secret"), Vault((NEW, OLD))
    assert rotating.opener(ACME, kept) == 1
    fresh = rotating.rotate(ACME, kept)
    assert rotating.opener(ACME, fresh) == 0
    assert Vault((NEW,)).decrypt(ACME, fresh) == "secret"
    assert rotating.opener(GLOBEX, fresh) is None
    with pytest.raises(SecretUnreadable):
        rotating.rotate(GLOBEX, kept)


def test_a_malformed_key_is_named_by_its_place() -> None:
    with pytest.raises(SettingsInvalid, match="Key 2 in KONSTRUCT_MASTER_KEYS is malformed"):
        Vault((OLD, OLD[:-3]))


@pytest.mark.parametrize("secret", ["sk-live-0123456789abcdef", "xoxb-1234567890-😀😀ab"])
def test_a_listing_shows_four_characters_of_a_long_secret(secret: str) -> None:
    assert ending(secret) == "…" + secret[-4:]


@pytest.mark.parametrize("secret", ["", "abc", "fifteen-letters"])
def test_a_listing_shows_nothing_of_a_short_secret(secret: str) -> None:
    assert ending(secret) == "…"


def test_a_master_key_is_named_without_being_told() -> None:
    assert fingerprint(OLD) == fingerprint(OLD) != fingerprint(NEW)
    assert fingerprint(OLD) not in OLD

"""Meta's signature: only who knows the app secret passes, only with these bytes."""

import hashlib
import hmac
from collections.abc import Iterable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from konstruct.channels import whatsapp
from konstruct.errors import SignatureRejected

SECRET, OTHER = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
BODY = b'{"object": "whatsapp_business_account"}'


def sign(body: bytes = BODY, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify(body: bytes, signature: str | None, secrets: Iterable[str]) -> str:
    return whatsapp.verify(body, whatsapp.check_form(signature), secrets)


def rejected(body: bytes = BODY, signature: str | None = None, secrets: tuple[str, ...] = (SECRET,)) -> str:
    with pytest.raises(SignatureRejected) as caught:
        verify(body, signature, secrets)
    assert caught.value.permanent
    return str(caught.value)


def test_a_signature_by_a_known_secret_passes_and_says_whose_it_is() -> None:
    assert verify(BODY, sign(), [SECRET]) == SECRET
    assert verify(BODY, sign(), [OTHER, SECRET]) == SECRET


def test_rfc_4231s_second_vector_passes() -> None:
    digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert verify(b"what do ya want for nothing?", f"sha256={digest}", ["Jefe"]) == "Jefe"


@given(st.binary(max_size=100), st.text(max_size=80))
def test_arbitrary_bytes_never_pass(body: bytes, signature: str) -> None:
    rejected(body, signature)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_an_altered_body_never_passes(body: bytes, other: bytes) -> None:
    assume(body != other)
    rejected(other, sign(body))


@given(st.integers(0, 70), st.sampled_from("0123456789abcdefsh=AZ "))
def test_one_altered_character_of_the_signature_never_passes(position: int, character: str) -> None:
    signature = sign()
    assume(signature[position] != character)
    rejected(signature=signature[:position] + character + signature[position + 1 :])


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        sign()[7:],
        "sha1=" + sign()[7:],
        sign().upper(),
        sign() + "0",
        " " + sign(),
        "ü" * 71,
        "\ud800",
    ],
)
def test_a_signature_of_another_form_is_rejected(signature: str | None) -> None:
    rejected(signature=signature)


@pytest.mark.parametrize("secrets", [(), ("",), (OTHER,)])
def test_nobody_passes_who_signs_with_an_empty_or_another_secret(secrets: tuple[str, ...]) -> None:
    rejected(signature=sign(), secrets=secrets)
    rejected(signature=sign(secret=""), secrets=secrets)


def test_the_secret_is_not_in_the_refusal() -> None:
    assert SECRET not in rejected(signature=sign(secret="x"))

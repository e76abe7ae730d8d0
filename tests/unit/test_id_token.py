"""What is believed of an identity provider's word, with tokens that are signed for real."""

import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey, RSAKey

from konstruct.id_token import LoginRefused, claims_of, person_of

ISSUER, CLIENT, NONCE = "https://id.example.com", "konstruct", "n-1"
KEY, OTHER = (RSAKey.generate_key(2048, {"kid": "k1"}) for _ in range(2))
KEYS: Any = KeySet([KEY]).as_dict(private=False)


def signed(key: Any = KEY, alg: str = "RS256", **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": CLIENT, "sub": "grace", "nonce": NONCE, "iat": now, "exp": now + 300}
    claims |= {"email": "Grace@Example.com", "email_verified": True, "name": "Grace"}
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    return {"id_token": jwt.encode({"alg": alg, "kid": "k1"}, kept, key, algorithms=[alg])}


def claims(token: dict[str, Any]) -> dict[str, Any]:
    return claims_of(token, KEYS, issuer=ISSUER, client_id=CLIENT, nonce=NONCE)


def test_a_sound_token_names_a_person() -> None:
    person = person_of(claims(signed()))
    assert (person.email, person.name) == ("grace@example.com", "Grace")
    assert person_of(claims(signed(aud=[CLIENT, "another"], azp=CLIENT))).name == "Grace"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"aud": ["another"], "azp": CLIENT},
        {"azp": "another"},
        {"nonce": "n-2"},
        {"nonce": None},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
        {"iat": int(time.time()) + 3600},
        {"iat": None},
        {"nbf": int(time.time()) + 3600},
        {"sub": None},
    ],
    ids="-".join,  # the times differ from run to run
)
def test_a_token_of_another_place_time_or_login_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(LoginRefused):
        claims(signed(**changes))


def test_what_nobody_we_know_has_signed_is_refused() -> None:
    unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJncmFjZSJ9."
    secret = OctKey.generate_key(256, {"kid": "k1"})
    for token in (signed(OTHER), signed(secret, "HS256"), {"id_token": unsigned}, {"id_token": "x"}, {}):
        with pytest.raises((JoseError, ValueError)):
            claims(token)


@pytest.mark.parametrize("verified", [None, False, "true", 1, "false"])
def test_an_address_must_be_verified_and_said_to_be_so(verified: Any) -> None:
    with pytest.raises(LoginRefused, match="not verified"):
        person_of(claims(signed(email_verified=verified)))


@pytest.mark.parametrize("email", [None, "", "grace", 7, ["grace@example.com"]])
def test_without_an_address_nobody_is_known(email: Any) -> None:
    with pytest.raises(LoginRefused, match="no e-mail address"):
        person_of(claims(signed(email=email)))

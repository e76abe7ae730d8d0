"""What an identity provider says of a person, checked: signature, issuer, audience, time, nonce, verified e-mail."""

from dataclasses import dataclass
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from konstruct.errors import KonstructError

CLOCK_LEEWAY_SECONDS = 60
# No secret of ours signs, and nothing may be unsigned.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
LONGEST_NAME = 200


class LoginRefused(KonstructError):
    """The identity provider does not vouch for this person."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the provider vouches for; the e-mail address is verified, in lower case."""

    email: str
    name: str


def claims_of(
    token: dict[str, Any], keys: dict[str, Any], *, issuer: str, client_id: str, nonce: str
) -> dict[str, Any]:
    """The claims of the ID token that came with a code. Raises LoginRefused; JoseError where its signature fails."""
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    decoded = jwt.decode(str(token.get("id_token")), KeySet.import_key_set(keys), registry=registry)  # type: ignore[arg-type]
    wanted = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}}
    about = {"nonce": nonce, "client_id": client_id, "access_token": token.get("access_token")}
    claims = CodeIDToken(decoded.claims, decoded.header, wanted, about)
    try:
        claims.validate(leeway=CLOCK_LEEWAY_SECONDS)
    except JoseError as error:
        raise LoginRefused(f"What the identity provider says of the person does not hold: {error}.") from None
    return dict(claims)


def person_of(claims: dict[str, Any]) -> Person:
    """Raises LoginRefused unless there is a verified e-mail address."""
    email = claims.get("email")
    if not isinstance(email, str) or "@" not in email:
        raise LoginRefused("The identity provider tells no e-mail address of the person; allow the scope `email`.")
    if claims.get("email_verified") is not True:
        raise LoginRefused("The identity provider has not verified the person's e-mail address.")
    return Person(email.strip().lower(), str(claims.get("name") or email)[:LONGEST_NAME])

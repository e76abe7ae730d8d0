"""Where people prove who they are: OpenID Connect, code flow with PKCE, one provider of the operator's choice."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc.errors import InvalidKeyIdError, JoseError

from konstruct.errors import KonstructError, SettingsInvalid
from konstruct.id_token import LoginRefused, Person, claims_of, person_of
from konstruct.settings import Settings

SCOPE = "openid email profile"
CALL_SECONDS = 10.0
KEPT_SECONDS = 600.0


class LoginUnavailable(KonstructError):
    """The identity provider does not answer as it should; try again shortly."""

    permanent = False


@dataclass(frozen=True, slots=True)
class Challenge:
    """What one login's answer must fit; known to its browser and to us only."""

    state: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(64))


class IdentityProvider:
    """The provider at OIDC_ISSUER. What it says of itself is kept for KEPT_SECONDS."""

    def __init__(self, settings: Settings, redirect_uri: str) -> None:
        """Raises SettingsInvalid if a setting is missing; nothing is asked before it is needed."""
        if not settings.oidc_client_id:
            raise SettingsInvalid("KONSTRUCT_OIDC_CLIENT_ID is not set; your identity provider shows it.")
        self.issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._client_secret = settings.oidc_client_secret
        self._redirect_uri = redirect_uri
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    async def consent_url(self, challenge: Challenge) -> str:
        """Where the browser must go. Raises LoginUnavailable."""
        metadata = await self.metadata()
        async with self._client(metadata) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=challenge.state,
                nonce=challenge.nonce,
                code_verifier=challenge.verifier,
            )
        return str(url)

    async def person(self, code: str, challenge: Challenge) -> Person:
        """Who came back with this code. Raises LoginRefused or LoginUnavailable."""
        metadata = await self.metadata()
        try:
            async with self._client(metadata) as client:
                claims = await self._ask(client, metadata, code, challenge)
        except OAuthError as error:
            raise LoginRefused(f"The identity provider refused the login: {error.error}.") from None
        except JoseError as error:
            raise LoginRefused(f"What the identity provider signed cannot be checked: {error}.") from None
        except (httpx2.HTTPError, ValueError) as error:
            raise LoginUnavailable(f"The identity provider does not answer: {type(error).__name__}.") from error
        return person_of(claims)

    async def metadata(self) -> dict[str, Any]:
        """What the provider says of itself. Raises LoginUnavailable."""
        url = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await self._read(url)
        if found.get("issuer") != self.issuer:
            named = found.get("issuer")
            raise LoginUnavailable(f"{url} names its issuer {named!r}; KONSTRUCT_OIDC_ISSUER must say exactly that.")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if urlsplit(str(found.get(name, ""))).scheme not in {"https", urlsplit(self.issuer).scheme}:
                raise LoginUnavailable(f"{url} names no {name} that can be used.")
        return found

    async def _ask(self, client: Any, metadata: dict[str, Any], code: str, challenge: Challenge) -> dict[str, Any]:
        token = await client.fetch_token(
            metadata["token_endpoint"],
            code=code,
            code_verifier=challenge.verifier,
            grant_type="authorization_code",
        )
        claims = await self._checked(metadata, token, challenge.nonce)
        if "email" in claims or "userinfo_endpoint" not in metadata:
            return claims
        answer = await client.get(metadata["userinfo_endpoint"])
        answer.raise_for_status()
        found = answer.json()
        if found.get("sub") != claims["sub"]:
            raise LoginRefused("The identity provider spoke of two different people.")
        return {**claims, **{name: found[name] for name in ("email", "email_verified", "name") if name in found}}

    async def _checked(self, metadata: dict[str, Any], token: dict[str, Any], nonce: str) -> dict[str, Any]:
        wanted = {"issuer": self.issuer, "client_id": self._client_id, "nonce": nonce}
        try:
            return claims_of(token, await self._read(metadata["jwks_uri"]), **wanted)
        except InvalidKeyIdError:
            # The provider may have begun to sign with a new key.
            return claims_of(token, await self._read(metadata["jwks_uri"], anew=True), **wanted)

    def _client(self, metadata: dict[str, Any]) -> Any:
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        confidential = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        return AsyncOAuth2Client(
            self._client_id,
            self._client_secret,
            token_endpoint_auth_method=confidential if self._client_secret else "none",
            scope=SCOPE,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            timeout=CALL_SECONDS,
            trust_env=False,
        )

    async def _read(self, url: str, *, anew: bool = False) -> dict[str, Any]:
        read_at, found = self._kept.get(url, (0.0, {}))
        if not found or anew or time.monotonic() - read_at > KEPT_SECONDS:
            found = await _fetch(url)
            self._kept[url] = (time.monotonic(), found)
        return found


async def _fetch(url: str) -> dict[str, Any]:
    try:
        async with httpx2.AsyncClient(timeout=CALL_SECONDS, trust_env=False) as client:
            answer = await client.get(url)
        answer.raise_for_status()
        found = answer.json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        why = f"status {answer.status_code}" if isinstance(error, httpx2.HTTPStatusError) else type(error).__name__
        message = f"The identity provider does not answer at {url} ({why}); check KONSTRUCT_OIDC_ISSUER."
        raise LoginUnavailable(message) from error
    if not isinstance(found, dict):
        raise LoginUnavailable(f"The identity provider does not answer with a JSON object at {url}.")
    return found

"""An identity provider that is away, says strange things, or changes its keys; a server of our own plays it."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from deployments.examinations.finding import Patient
from deployments.examinations.login import login
from deployments.installation.layout import Layout
from konstruct.errors import SettingsInvalid
from konstruct.id_token import LoginRefused
from konstruct.identity_provider import Challenge, IdentityProvider, LoginUnavailable
from konstruct.settings import Settings

CHALLENGE = Challenge()


@dataclass
class Odd:
    """A provider whose every answer a test may choose."""

    url: str = ""
    key: Any = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "first"}))
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    token: Any = None
    broken: str = ""
    asked: list[str] = field(default_factory=list)

    def answers(self, path: str) -> Any:
        now = int(time.time())
        claims = {"iss": self.url, "aud": "us", "sub": "1", "iat": now, "exp": now + 60, "nonce": CHALLENGE.nonce}
        signed = jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims | self.claims, self.key)
        ways = {
            name: f"{self.url}/{name}" for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")
        }
        return {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
            | ways
            | self.metadata,
            "/jwks": KeySet([self.key]).as_dict(private=False),
            "/token_endpoint": self.token or {"access_token": "a", "token_type": "Bearer", "id_token": signed},
            "/userinfo_endpoint": self.userinfo,
        }[path]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path == self.broken:
            return web.Response(text="<html>", status=500)
        return web.json_response(self.answers(request.path))


@pytest_asyncio.fixture
async def odd() -> AsyncIterator[Odd]:
    provider = Odd()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", provider.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield provider
    await runner.cleanup()


def ours(odd: Odd, **changes: Any) -> IdentityProvider:
    settings = replace(Settings.from_environment({}), oidc_issuer=odd.url, oidc_client_id="us", **changes)
    return IdentityProvider(settings, "http://127.0.0.1:8000/admin/v1/login/callback")


async def test_an_address_that_only_userinfo_tells_is_asked_for(odd: Odd) -> None:
    odd.userinfo = {"sub": "1", "email": "grace@example.com", "email_verified": True, "name": "Grace"}
    assert (await ours(odd).person("code", CHALLENGE)).email == "grace@example.com"
    odd.userinfo["sub"] = "2"
    with pytest.raises(LoginRefused, match="two different people"):
        await ours(odd).person("code", CHALLENGE)


async def test_a_provider_may_change_its_keys(odd: Odd) -> None:
    odd.claims = {"email": "grace@example.com", "email_verified": True}
    provider = ours(odd)
    await provider.person("code", CHALLENGE)
    odd.key = RSAKey.generate_key(2048, {"kid": "second"})
    assert (await provider.person("code", CHALLENGE)).email == "grace@example.com"
    assert odd.asked.count("/jwks") == 2
    assert odd.asked.count("/.well-known/openid-configuration") == 1


@pytest.mark.parametrize(
    "path", ["/.well-known/openid-configuration", "/jwks", "/token_endpoint", "/userinfo_endpoint"]
)
async def test_a_provider_that_fails_is_said_to_be_away(odd: Odd, path: str) -> None:
    odd.broken = path
    with pytest.raises(LoginUnavailable, match="does not answer"):
        await ours(odd).person("code", CHALLENGE)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "ftp://evil.example"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": ""},
    ],
    ids=str,
)
async def test_a_provider_that_describes_another_is_not_followed(odd: Odd, metadata: dict[str, Any]) -> None:
    odd.metadata = metadata
    with pytest.raises(LoginUnavailable):
        await ours(odd).consent_url(CHALLENGE)


async def test_nobody_there_is_said_with_the_setting_to_look_at(odd: Odd) -> None:
    odd.url = "http://127.0.0.1:9"
    with pytest.raises(LoginUnavailable, match="KONSTRUCT_OIDC_ISSUER"):
        await ours(odd).consent_url(CHALLENGE)


@pytest.mark.parametrize(
    "token", [{"error": "invalid_grant"}, {"access_token": "a", "token_type": "Bearer"}, ["x"], "x"], ids=str
)
async def test_no_token_is_no_login(odd: Odd, token: Any) -> None:
    odd.token = token
    with pytest.raises((LoginRefused, LoginUnavailable)):
        await ours(odd).person("code", CHALLENGE)


@pytest.mark.parametrize(
    ("issuer", "secret", "state"),
    [("", None, None), ("odd", None, "worth a look"), ("odd", "s", "well"), ("x", "s", "wrong")],
)
async def test_the_doctor_says_whether_people_can_log_in(
    odd: Odd, issuer: str, secret: str | None, state: str | None, tmp_path: Path
) -> None:
    address = {"odd": odd.url, "x": "http://127.0.0.1:9"}.get(issuer, issuer)
    settings = replace(
        Settings.from_environment({}), oidc_issuer=address, oidc_client_id="us", oidc_client_secret=secret
    )
    found = await asyncio.to_thread(login, Patient(settings, Layout(tmp_path), None))
    assert [finding.state for finding in found] == ([state] if state else [])


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SettingsInvalid, match="KONSTRUCT_OIDC_CLIENT_ID"):
        IdentityProvider(replace(Settings.from_environment({}), oidc_issuer="https://id.example"), "x")


@pytest.mark.parametrize("issuer", ["id.example.com", "http://id.example.com", "ftp://x", "https://", "javascript:x"])
def test_an_issuer_that_secrets_must_not_be_sent_to_stops_start_up(issuer: str) -> None:
    with pytest.raises(SettingsInvalid, match="KONSTRUCT_OIDC_ISSUER is .*https://"):
        Settings.from_environment({"KONSTRUCT_OIDC_ISSUER": issuer})

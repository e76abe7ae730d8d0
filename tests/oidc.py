"""A real OpenID provider on loopback, that also insists on PKCE; and browsers of people who log in with it."""

import os
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import oidc_provider_mock
import werkzeug.serving

from tests.admin_rig import AdminRig, Answer

PUBLIC_URL = "http://127.0.0.1:8000"
CALLBACK = f"{PUBLIC_URL}/admin/v1/login/callback"
# The provider would else insist on https.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"


class Pkce:
    """Before the provider, which does not check it: a code is redeemed only with the verifier of its challenge."""

    def __init__(self, inside: Callable[..., Iterable[bytes]]) -> None:
        self._inside = inside
        self.challenges: dict[str, str] = {}
        self.refused = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].endswith("/oauth2/token"):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = BytesIO(body)
            form = parse_qs(body.decode())
            code, verifier = form.get("code", [""])[0], form.get("code_verifier", [""])[0]
            digest = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
            if self.challenges.pop(code, None) != digest:
                self.refused += 1
                start("400 Bad Request", [("Content-Type", "application/json")])
                return [b'{"error": "invalid_grant"}']
        query = parse_qs(environ.get("QUERY_STRING", ""))

        def started(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            location = dict(headers).get("Location", "")
            for code in parse_qs(urlsplit(location).query).get("code", []):
                if query.get("code_challenge_method") == ["S256"]:
                    self.challenges[code] = query["code_challenge"][0]
            return start(status, headers, *more)

        return self._inside(environ, started)


@dataclass
class Provider:
    """Where it is, and what it knows us by."""

    url: str
    pkce: Pkce

    async def register(self) -> dict[str, object]:
        """Settings of an installation that the provider knows."""
        async with aiohttp.ClientSession() as session:
            body = {"redirect_uris": [CALLBACK]}
            async with session.post(f"{self.url}/oauth2/clients", json=body) as answer:
                made = await answer.json()
        return {
            "oidc_issuer": self.url,
            "oidc_client_id": made["client_id"],
            "oidc_client_secret": made["client_secret"],
            "public_url": PUBLIC_URL,
        }

    async def know(self, subject: str, **claims: object) -> None:
        """Somebody with an account there."""
        async with aiohttp.ClientSession() as session:
            async with session.put(f"{self.url}/users/{subject}", json=claims) as answer:
                assert answer.status == 204


@contextmanager
def provider() -> Iterator[Provider]:
    """The provider, until the block ends."""
    app = oidc_provider_mock.app(require_client_registration=True, require_nonce=True)
    app.debug = False
    pkce = Pkce(app)
    quiet = type("Quiet", (werkzeug.serving.WSGIRequestHandler,), {"log": lambda *_: None})
    server = werkzeug.serving.make_server("localhost", 0, pkce, threaded=True, request_handler=quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield Provider(f"http://localhost:{server.server_port}", pkce)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Browser:
    """Keeps cookies, and follows no redirect by itself."""

    k: AdminRig
    cookies: dict[str, str] = field(default_factory=dict)
    set: list[str] = field(default_factory=list)

    async def open(self, path: str, method: str = "GET", *, body: Any = None, **headers: str) -> Answer:
        """A request to the installation, wherever it believes to be."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        url = self.k.rig.url + path.removeprefix(PUBLIC_URL)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            async with session.request(method, url, json=body, headers=sent, allow_redirects=False) as answer:
                self.set = answer.headers.getall("Set-Cookie", [])
                for cookie in self.set:
                    name, _, value = cookie.partition(";")[0].partition("=")
                    self.cookies[name] = value
                    if not value:
                        del self.cookies[name]
                parsed = await answer.json(content_type=None) if "json" in answer.content_type else None
                return Answer(answer.status, answer.headers, parsed, await answer.text())

    async def consent(self, url: str, subject: str, action: str = "") -> str:
        """Agree, or not, at the provider; answers where it sends the browser back to."""
        async with aiohttp.ClientSession() as session:
            form = {"sub": subject} | ({"action": action} if action else {})
            async with session.post(url, data=form, allow_redirects=False) as answer:
                assert answer.status == 302, await answer.text()
                return answer.headers["Location"]

    async def log_in(self, subject: str, query: str = "") -> Answer:
        """The whole way; answers what the callback says."""
        begun = await self.open(f"/admin/v1/login{query}")
        assert begun.status == 302, begun.text
        return await self.open(await self.consent(begun.headers["Location"], subject))

"""Browsers of people who have logged in: the cookie, what it is worth as a credential, and no forged writes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from deployments.admin.credentials import Way
from deployments.admin.principal import Principal, Role
from deployments.admin.problem import Problem
from konstruct.database.members import find_session
from konstruct.database.pool import Database

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Another site's page cannot send a header of its own here without being asked first, and it is refused then.
WRITE_HEADER = "x-konstruct-csrf"


class Forged(Problem):
    """A write with a session's cookie needs the header `X-Konstruct-CSRF: 1`, and must come from our own pages."""

    status = 403


class Cookies:
    """Our cookies of a browser; `__Host-` where there is https: then no other host of the domain can set them."""

    def __init__(self, public_url: str) -> None:
        """`public_url`: where browsers find us."""
        self._own = "://".join(urlsplit(public_url)[:2])
        self._secure = public_url.startswith("https://")

    def read(self, headers: Mapping[str, str], name: str) -> str:
        """The cookie's value, empty if there is none."""
        try:
            jar = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return ""
        morsel = jar.get(self._full(name))
        return morsel.value if morsel else ""

    def write(self, name: str, value: str, seconds: int) -> str:
        """A `Set-Cookie`; `seconds` = 0 removes it. Lax: the way back from the identity provider must carry it."""
        secure = "; Secure" if self._secure else ""
        return f"{self._full(name)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"

    def _full(self, name: str) -> str:
        return f"__Host-konstruct_{name}" if self._secure else f"konstruct_{name}"

    def session(self, headers: Mapping[str, str]) -> str:
        """The session's token, empty if there is none."""
        return self.read(headers, "session")

    def set_session(self, token: str, until: datetime) -> str:
        """A `Set-Cookie` with the session, until it ends."""
        return self.write("session", token, max(0, round((until - datetime.now(UTC)).total_seconds())))

    def credential(self, method: str, headers: Mapping[str, str]) -> str:
        """What the request is authorised with, as in `Authorization`. Raises Forged."""
        token = "" if "authorization" in headers else self.session(headers)
        if not token:
            return headers.get("authorization", "")
        if method not in SAFE and (not headers.get(WRITE_HEADER) or headers.get("origin", self._own) != self._own):
            raise Forged
        return f"Bearer {token}"


def people(database: Database) -> Way:
    """People who have logged in; what they may do is looked up each time."""

    async def recognise(credential: str) -> Principal | None:
        found = await find_session(database, credential)
        if found is None:
            return None
        return Principal(found.tenant_id, Role[found.role], found.name, found.actor)

    return recognise

"""`/login`: people prove who they are at the identity provider, and get a session for their browser."""

import hmac
import time
from typing import Annotated
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from deployments.admin.access import Everything
from deployments.admin.page import INSTALLATION, opened, seal
from deployments.admin.parts import Parts
from deployments.admin.problem import NotAllowed, Problem
from deployments.admin.session import Cookies
from konstruct.database.members import Membership, begin_session, memberships
from konstruct.errors import KonstructError, SettingsInvalid
from konstruct.id_token import LoginRefused, Person
from konstruct.identity_provider import Challenge, IdentityProvider, LoginUnavailable

LOGIN = "/admin/v1/login"
CALLBACK = f"{LOGIN}/callback"
SESSION = "/admin/v1/session"
LOGIN_SECONDS = 600
SEALED_FOR = "login"
AGAIN = f"Begin again at {LOGIN}."

log = structlog.get_logger()
# For browsers: no part of the described API.
router = APIRouter(prefix="/login", include_in_schema=False)
Text = Annotated[str, Query(max_length=2000)]


class Returned(BaseModel):
    """What the identity provider sends the browser back with."""

    state: str = Field("", max_length=2000)
    code: str = Field("", max_length=4000)
    error: str = Field("", max_length=200)
    iss: str = Field("", max_length=2000)


class LoginFailed(Problem):
    """The login does not belong to this browser, or took too long."""


@router.get("")
async def begin(request: Request, parts: Everything, tenant: Text = "", to: Text = SESSION) -> Response:
    """Send the browser to the identity provider. `to`: a path of ours to end at."""
    challenge = Challenge()
    try:
        url = await _provider(request, parts).consent_url(challenge)
    except LoginUnavailable as error:
        raise Problem(str(error), status=503, headers={"Retry-After": "10"}) from error
    position = [
        challenge.state, challenge.nonce, challenge.verifier, tenant, _local(to), time.time() + LOGIN_SECONDS,
    ]  # fmt: skip
    cookie = seal(parts.vault, INSTALLATION, SEALED_FOR, position)
    answer = RedirectResponse(url, 302)
    answer.headers.append("set-cookie", _cookies(parts).write(SEALED_FOR, cookie, LOGIN_SECONDS))
    return answer


@router.get("/callback")
async def finish(request: Request, parts: Everything, returned: Annotated[Returned, Query()]) -> Response:
    """The browser comes back from the identity provider."""
    challenge, tenant, to = _begun(request, parts, returned.state)
    provider = _provider(request, parts)
    # RFC 9207: an answer of another provider than the one that was asked.
    if returned.error or not returned.code or returned.iss not in ("", provider.issuer):
        raise LoginFailed(f"The identity provider did not let you log in ({returned.error or 'no code'}). {AGAIN}")
    try:
        person = await provider.person(returned.code, challenge)
    except LoginUnavailable as unavailable:
        raise Problem(f"{unavailable} {AGAIN}", status=503) from unavailable
    except LoginRefused as refused:
        log.warning("login refused", reason=str(refused))
        raise LoginFailed(f"{refused} {AGAIN}", status=403) from refused
    membership = await _membership(parts, person, tenant)
    token, until = await begin_session(parts.database, membership, person.name, request.state.request_id)
    log.info("logged in", tenant=membership.tenant_id, member=membership.member_id)
    answer = RedirectResponse(to, 303)
    answer.headers.append("set-cookie", _cookies(parts).write(SEALED_FOR, "", 0))
    answer.headers.append("set-cookie", _cookies(parts).set_session(token, until))
    return answer


def _provider(request: Request, parts: Parts) -> IdentityProvider:
    if not parts.settings.oidc_issuer:
        raise Problem("Login is not set up here: KONSTRUCT_OIDC_ISSUER is not set. Use an API token.", status=404)
    state = request.app.state
    if not hasattr(state, "identity_provider"):
        try:
            state.identity_provider = IdentityProvider(parts.settings, parts.settings.public_url.rstrip("/") + CALLBACK)
        except SettingsInvalid as invalid:
            raise Problem(str(invalid), status=503) from invalid
    provider: IdentityProvider = state.identity_provider
    return provider


def _begun(request: Request, parts: Parts, state: str) -> tuple[Challenge, str, str]:
    """The login that began in this very browser. Raises LoginFailed."""
    sealed = _cookies(parts).read(request.headers, SEALED_FOR)
    try:
        position = opened(parts.vault, INSTALLATION, SEALED_FOR, sealed or None)
    except KonstructError:
        position = None
    if position is None:
        raise LoginFailed(f"This browser has not begun to log in, or took too long. {AGAIN}")
    known, nonce, verifier, tenant, to, until = position
    if not hmac.compare_digest(known.encode(), state.encode("utf-8", "replace")) or until < time.time():
        raise LoginFailed(f"This login was begun elsewhere, or took too long. {AGAIN}")
    return Challenge(known, nonce, verifier), tenant, to


async def _membership(parts: Parts, person: Person, tenant: str) -> Membership:
    found = await memberships(parts.database, person.email)
    chosen = [one for one in found if tenant in ("", one.tenant)]
    if not chosen:
        log.warning("login of somebody who is no member")
        raise NotAllowed(
            f"{person.email} may not enter{' this tenant' if found else ''} here; "
            "an owner lets you in with `konstruct members add`."
        )
    return chosen[0]


def _cookies(parts: Parts) -> Cookies:
    return Cookies(parts.settings.public_url)


def _local(path: str) -> str:
    """Only to a path of ours: else a link to us could lead anywhere."""
    fits = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return quote(path, safe="/?&=#%-._~") if fits else SESSION

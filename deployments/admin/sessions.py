"""`/session`: who you are, where else you may go, and logging out."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StringConstraints
from starlette.responses import Response

from deployments.admin.access import Anybody, Everything
from deployments.admin.parts import Parts
from deployments.admin.problem import NotHere, Problem
from deployments.admin.session import Cookies
from konstruct.database import members
from konstruct.database.members import Session

router = APIRouter(prefix="/session", tags=["session"])


class Place(BaseModel):
    """A tenant that you may enter."""

    tenant: str
    role: str


class Me(BaseModel):
    """Who asks. Only a person who has logged in has an e-mail address, and a session that ends."""

    name: str
    role: str
    tenant: str | None = Field(description="null: the whole installation, or a token's tenant.")
    email: str | None = None
    expires_at: datetime | None = None
    tenants: list[Place] = []


class Chosen(BaseModel):
    """Where to go on."""

    tenant: Annotated[str, StringConstraints(max_length=63)]


@router.get("")
async def read_session(request: Request, parts: Everything, asker: Anybody) -> Me:
    """Who you are."""
    session = await _session(request, parts)
    if session is None:
        return Me(name=asker.name, role=asker.role.name, tenant=None)
    return await _me(parts, session)


@router.post("", responses={409: {"description": "You have not logged in with a browser."}})
async def choose_tenant(request: Request, parts: Everything, chosen: Chosen, response: Response) -> Me:
    """Go on in another tenant of yours, until the session would have ended anyway."""
    session = await _session(request, parts)
    if session is None:
        raise Problem("Only a person who has logged in may choose a tenant; a token belongs to one.", status=409)
    places = await members.memberships(parts.database, session.email)
    there = next((one for one in places if one.tenant == chosen.tenant), None)
    if there is None:
        raise NotHere
    id_ = request.state.request_id
    token, until = await members.begin_session(parts.database, there, session.name, id_, session.expires_at)
    await members.end_session(parts.database, session, _cookies(parts).session(request.headers), id_)
    response.headers.append("set-cookie", _cookies(parts).set_session(token, until))
    now = await members.find_session(parts.database, token)
    if now is None:
        raise NotHere
    return await _me(parts, now)


@router.delete("", status_code=204)
async def log_out(request: Request, parts: Everything) -> Response:
    """End this browser's session."""
    session = await _session(request, parts)
    if session is not None:
        token = _cookies(parts).session(request.headers)
        await members.end_session(parts.database, session, token, request.state.request_id)
    return Response(status_code=204, headers={"Set-Cookie": _cookies(parts).write("session", "", 0)})


async def _session(request: Request, parts: Parts) -> Session | None:
    if "authorization" in request.headers:
        return None
    return await members.find_session(parts.database, _cookies(parts).session(request.headers))


async def _me(parts: Parts, session: Session) -> Me:
    places = await members.memberships(parts.database, session.email)
    return Me(
        name=session.name,
        role=session.role,
        tenant=session.tenant,
        email=session.email,
        expires_at=session.expires_at,
        tenants=[Place(tenant=one.tenant, role=one.role) for one in places],
    )


def _cookies(parts: Parts) -> Cookies:
    return Cookies(parts.settings.public_url)

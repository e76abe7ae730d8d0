"""What a route is given: the tenant that was asked for, by somebody who may."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from deployments.admin.parts import Parts
from deployments.admin.principal import Principal, Role
from deployments.admin.problem import NotAllowed, NotHere
from konstruct.database.pool import TenantConnection
from konstruct.database.tenants import tenant_of
from konstruct.identity import tenant_id

TenantName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="The tenant's name.")]
IfNoneMatch = Annotated[str | None, Header(description="An ETag: 304 where it is still the same.")]


@dataclass(frozen=True, slots=True)
class Access:
    """One request about one tenant, by somebody whose role suffices."""

    parts: Parts
    principal: Principal
    request_id: str
    tenant: UUID
    name: str
    if_none_match: str | None = None

    def transaction(self) -> AbstractAsyncContextManager[TenantConnection]:
        """One transaction of this tenant; its audit rows carry who asked."""
        return self.parts.database.tenant(self.tenant, actor=self.principal.actor, request=self.request_id)

    def show(self, content: BaseModel) -> Response:
        """200 with the content and its ETag, or 304 where the asker has it already."""
        tag = etag(content)
        if self.if_none_match and tag in [part.strip().removeprefix("W/") for part in self.if_none_match.split(",")]:
            return Response(status_code=304, headers={"ETag": tag})
        return shown(content)


def shown(content: BaseModel, status: int = 200) -> Response:
    """The content as JSON, with its ETag."""
    return Response(content.model_dump_json(), status, {"ETag": etag(content)}, "application/json")


def etag(content: BaseModel) -> str:
    """The same for the same content, so that nobody need keep a version."""
    return f'"{sha256(content.model_dump_json().encode()).hexdigest()[:32]}"'


def parts_of(request: Request) -> Parts:
    """What the application was built with."""
    parts: Parts = request.app.state.parts
    return parts


def anybody(request: Request) -> Principal:
    """Whoever asks."""
    principal: Principal = request.state.principal
    return principal


def at_least(role: Role) -> Callable[..., Any]:
    """A dependency: the tenant in the path exists for the asker (else 404), whose role suffices (else 403)."""

    async def admit(request: Request, tenant: TenantName, if_none_match: IfNoneMatch = None) -> Access:
        parts, principal, id_ = parts_of(request), anybody(request), tenant_id(tenant)
        access = Access(parts, principal, request.state.request_id, id_, tenant, if_none_match)
        if not principal.may_enter(id_):
            raise NotHere
        async with access.transaction() as connection:
            if await tenant_of(connection) is None:
                raise NotHere
        if principal.role < role:
            raise NotAllowed(f"This needs the role {role.name}; yours is {principal.role.name}.")
        return access

    return admit


Viewing = Annotated[Access, Depends(at_least(Role.viewer))]
Operating = Annotated[Access, Depends(at_least(Role.operator))]
Owning = Annotated[Access, Depends(at_least(Role.owner))]
Anybody = Annotated[Principal, Depends(anybody)]
Everything = Annotated[Parts, Depends(parts_of)]

"""What a route is given: the tenant that was asked for, by somebody who may."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Path, Request
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from deployments.admin.parts import Parts
from deployments.admin.principal import Principal, Role
from deployments.admin.problem import ChangedMeanwhile, NotAllowed, NotHere
from konstruct.database.pool import TenantConnection
from konstruct.database.tenants import tenant_of
from konstruct.identity import tenant_id

TenantName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="The tenant's name.")]
IfNoneMatch = Annotated[str | None, Header(description="An ETag: 304 where it is still the same.")]
IfMatch = Annotated[str | None, Header(description="An ETag: 412 where it is not the same any more.")]
# In any zone: what is outside could not be told in UTC.
Moment = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), le=datetime(9999, 1, 1, tzinfo=UTC))]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$",
        description="Repeated within a day it has no second effect, and gets the same answer.",
    ),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Access:
    """One request about one tenant, by somebody whose role suffices."""

    parts: Parts
    principal: Principal
    request_id: str
    tenant: UUID
    name: str
    if_none_match: str | None = None
    if_match: str | None = None
    key: str | None = None
    asked: bytes = b""  # SHA-256 of method, address and body

    def transaction(self) -> AbstractAsyncContextManager[TenantConnection]:
        """One transaction of this tenant; its audit rows carry who asked."""
        return self.parts.database.tenant(self.tenant, actor=self.principal.actor, request=self.request_id)

    def show(self, content: BaseModel) -> Response:
        """200 with the content and its ETag, or 304 where the asker has it already."""
        if self.if_none_match and etag(content) in _tags(self.if_none_match):
            return Response(status_code=304, headers={"ETag": etag(content)})
        return shown(content)

    def check_match(self, current: BaseModel | None) -> None:
        """Raise ChangedMeanwhile where If-Match names another state; None = there is nothing yet."""
        if self.if_match is None or (self.if_match.strip() == "*" and current is not None):
            return
        if current is None or etag(current) not in _tags(self.if_match):
            raise ChangedMeanwhile


def shown(content: BaseModel, status: int = 200) -> Response:
    """The content as JSON, with its ETag."""
    return Response(content.model_dump_json(), status, {"ETag": etag(content)}, "application/json")


def etag(content: BaseModel) -> str:
    """The same for the same content, so that nobody need keep a version."""
    return f'"{sha256(content.model_dump_json().encode()).hexdigest()[:32]}"'


def _tags(header: str) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]


def parts_of(request: Request) -> Parts:
    """What the application was built with."""
    parts: Parts = request.app.state.parts
    return parts


def anybody(request: Request) -> Principal:
    """Whoever asks."""
    principal: Principal = request.state.principal
    return principal


def of_any_tenant(request: Request, tenant: TenantName) -> Access:
    """The tenant in the path may be made by this request; it exists, or could, for the asker (else 404)."""
    parts, principal, id_ = parts_of(request), anybody(request), tenant_id(tenant)
    if not principal.may_enter(id_):
        raise NotHere
    return Access(parts, principal, request.state.request_id, id_, tenant, asked=_asked(request))


async def of_tenant(access: Annotated[Access, Depends(of_any_tenant)]) -> Access:
    """The tenant in the path exists for the asker (else 404)."""
    async with access.transaction() as connection:
        if await tenant_of(connection) is None:
            raise NotHere
    return access


def _asked(request: Request) -> bytes:
    address = f"{request.method} {request.url.path}?{request.url.query}\n"
    return sha256(address.encode("utf-8", "replace") + request.state.body).digest()


def asking(role: Role, of: Callable[..., Any] = of_tenant) -> Callable[..., Any]:
    """A dependency for routes that list, or that may be repeated as they are: the role suffices (else 403)."""

    def admit(access: Annotated[Access, Depends(of)]) -> Access:
        check_role(access.principal, role)
        return access

    return admit


def reading(role: Role) -> Callable[..., Any]:
    """A dependency for routes that show one thing, see `Access.show`."""

    def admit(access: Annotated[Access, Depends(asking(role))], if_none_match: IfNoneMatch = None) -> Access:
        return replace(access, if_none_match=if_none_match)

    return admit


def writing(role: Role, of: Callable[..., Any] = of_tenant) -> Callable[..., Any]:
    """A dependency for routes that do something, see `once`."""

    def admit(access: Annotated[Access, Depends(asking(role, of))], key: Key = None) -> Access:
        return replace(access, key=key)

    return admit


def changing(role: Role, of: Callable[..., Any] = of_tenant) -> Callable[..., Any]:
    """A dependency for routes that change one thing, see `once` and `Access.check_match`."""

    def admit(access: Annotated[Access, Depends(writing(role, of))], if_match: IfMatch = None) -> Access:
        return replace(access, if_match=if_match)

    return admit


def check_role(principal: Principal, role: Role) -> None:
    """Raise NotAllowed where the role does not suffice."""
    if principal.role < role:
        raise NotAllowed(f"This needs the role {role.name}; yours is {principal.role.name}.")


Asking = Annotated[Access, Depends(asking(Role.viewer))]
OwnerAsking = Annotated[Access, Depends(asking(Role.owner))]
Viewing = Annotated[Access, Depends(reading(Role.viewer))]
Operating = Annotated[Access, Depends(writing(Role.operator))]
OperatorChanging = Annotated[Access, Depends(changing(Role.operator))]
Owning = Annotated[Access, Depends(writing(Role.owner))]
OwnerChanging = Annotated[Access, Depends(changing(Role.owner))]
Applying = Annotated[Access, Depends(changing(Role.owner, of_any_tenant))]
Anybody = Annotated[Principal, Depends(anybody)]
Everything = Annotated[Parts, Depends(parts_of)]

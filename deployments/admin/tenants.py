"""`/tenants`: who is served here."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from deployments.admin.access import Anybody, Everything, Viewing
from deployments.admin.page import INSTALLATION, After, Limit, Page, opened, seal
from konstruct.database.installation import tenant_names
from konstruct.database.tenants import tenant_of
from konstruct.identity import tenant_id

router = APIRouter(prefix="/tenants", tags=["tenants"])


class TenantSummary(BaseModel):
    """One of many."""

    name: str
    id: UUID


class Tenant(TenantSummary):
    """A tenant and what holds for all its conversations."""

    quiet_seconds: float
    escalation: dict[str, Any]
    operators: dict[str, Any]


@router.get("")
async def list_tenants(
    asker: Anybody, parts: Everything, limit: Limit = 50, cursor: After = None
) -> Page[TenantSummary]:
    """The tenants that you may see."""
    after = opened(parts.vault, INSTALLATION, "tenants", cursor)
    names = [name for name in await tenant_names(parts.database) if asker.may_enter(tenant_id(name))]
    left = [name for name in names if after is None or name > after[0]]
    more = seal(parts.vault, INSTALLATION, "tenants", [left[limit - 1]]) if len(left) > limit else None
    return Page(items=[TenantSummary(name=name, id=tenant_id(name)) for name in left[:limit]], next_cursor=more)


@router.get("/{tenant}", response_model=Tenant)
async def read_tenant(access: Viewing) -> Response:
    """One tenant."""
    async with access.transaction() as connection:
        row = await tenant_of(connection)
    return access.show(Tenant(id=access.tenant, **dict(row)))

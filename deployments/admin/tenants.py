"""`/tenants`: who is served here, and how."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from deployments.admin.access import Access, Anybody, Applying, Everything, Viewing, of_any_tenant
from deployments.admin.apart import apart
from deployments.admin.channels import ChannelConnection, channels
from deployments.admin.employees import Employee, employees
from deployments.admin.installation import installation_only
from deployments.admin.models import HostedModel, models
from deployments.admin.once import once
from deployments.admin.page import INSTALLATION, After, Limit, Page, opened, seal
from deployments.admin.problem import NotHere, Problem
from deployments.admin.providers import check_providers
from deployments.admin.reserved import check_reserved
from konstruct.budget import check_priced
from konstruct.database import configuration
from konstruct.database.installation import tenant_names
from konstruct.database.pool import Database, TenantConnection
from konstruct.database.tenants import apply_within, taken, tenant_of
from konstruct.errors import AlreadyTaken, TenantFileInvalid
from konstruct.forgetting import forget_tenant
from konstruct.identity import tenant_id
from konstruct.media.store import open_store
from konstruct.price_list import PriceList
from konstruct.tenant_file import TenantFile, check

router = APIRouter(prefix="/tenants", tags=["tenants"])


class TenantSummary(BaseModel):
    """One of many."""

    name: str
    id: UUID


class Tenant(TenantSummary):
    """A tenant's whole configuration; of secrets only the ending."""

    quiet_seconds: float
    escalation: dict[str, Any]
    operators: dict[str, Any]
    limits: dict[str, Any]
    budgets: dict[str, Any] = Field(description="What may be spent, see /budgets.")
    suspended: bool = Field(description="Nobody answers, for the subscription is not paid.")
    employees: list[Employee]
    models: list[HostedModel]
    channels: list[ChannelConnection]


class Applied(TenantSummary):
    """What came of it."""

    changed: bool = Field(description="False: it was already so.")


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
        found = await _read(connection, access)
    if found is None:
        raise NotHere
    return access.show(found)


@router.put("/{tenant}", response_model=Applied)
async def apply_tenant(wanted: TenantFile, access: Applying) -> Response:
    """Make the tenant what its file says (`konstruct apply`); to make a new one takes the installation's owner."""

    async def effect(connection: TenantConnection) -> Applied:
        await configuration.lock(connection)
        if access.if_match is not None:
            access.check_match(await _read(connection, access))
        await check_reserved(connection, access, wanted.models)
        changed = await apply_within(connection, wanted, access.parts.vault)
        return Applied(name=access.name, id=access.tenant, changed=changed)

    if wanted.tenant != access.name:
        raise Problem(f"The file is about {wanted.tenant}, the address about {access.name}.", status=422)
    check(wanted)
    await check_providers(wanted.models)
    try:
        check_priced(wanted, PriceList.read(access.parts.settings.prices_file))
    except TenantFileInvalid as invalid:
        raise Problem(str(invalid), status=422) from None
    try:
        return await once(access, effect)
    except AlreadyTaken:
        raise Problem(str(taken(wanted.channels)), status=409) from None


@router.delete("/{tenant}", status_code=204)
async def erase_tenant(access: Annotated[Access, Depends(of_any_tenant)], *, abandon_billing: bool = False) -> Response:
    """Forget a tenant: every row, every file. For the installation's owner only; nobody is asked again.

    Answers when nothing of it can be on its way any more: six seconds after its rows are gone at the latest, or 25
    where a message with a file waited. What was interrupted is repeated; 404 is the answer where nothing is left. While
    a subscription lives, or usage has not reached Stripe, it is 409 and nothing is erased; abandon_billing gives up
    both, Stripe goes on charging.
    """
    installation_only(access.principal)
    settings, tenant = access.parts.settings, access.tenant
    actor, request = access.principal.actor, access.request_id

    async def work(database: Database) -> None:
        store = open_store(settings)
        await forget_tenant(database, store, tenant, actor=actor, request=request, abandon_billing=abandon_billing)

    await apart(settings, work)
    return Response(status_code=204)


async def _read(connection: TenantConnection, access: Access) -> Tenant | None:
    row = await tenant_of(connection)
    if row is None:
        return None
    return Tenant(
        id=access.tenant,
        employees=await employees(connection),
        models=await models(connection, access),
        channels=await channels(connection, access),
        **dict(row),
    )

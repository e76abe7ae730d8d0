"""`/installation/audit`: what was done to the installation; all audit verified; old months let go; the public keys."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from actors.retention import state_drop
from deployments.admin.access import Everything
from deployments.admin.apart import apart
from deployments.admin.audit import Action, AuditEvent, Verification, evidence_of, list_audit, verified
from deployments.admin.installation import Whole, installation_only
from deployments.admin.page import After, Limit, Page
from deployments.admin.parts import Parts
from deployments.admin.problem import Problem
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.signing import Signer
from konstruct.database import audit, audit_months
from konstruct.database.pool import Database
from konstruct.errors import DatabaseUnfit
from konstruct.settings import Settings

router = APIRouter(
    prefix="/installation/audit", tags=["installation"], dependencies=[Depends(installation_only)]
)  # fmt: skip


class PublicKeys(BaseModel):
    """For whoever verifies exports."""

    public_keys: list[str] = Field(description="Newest first.")


class Retention(BaseModel):
    """What stays."""

    model_config = ConfigDict(extra="forbid")

    months: int = Field(ge=1, le=1200, description="So many months before this one.")


class Retained(BaseModel):
    """What went."""

    before: datetime = Field(description="The first moment that stays.")
    dropped: list[str] = Field(description="Partitions.")


@router.get("")
async def list_installation_audit(
    access: Whole, action: Action = None, limit: Limit = 50, cursor: After = None
) -> Page[AuditEvent]:
    """What was done to the installation, not to one of its tenants; the latest first."""
    return await list_audit(access, action, limit, cursor)


@router.get("/verification")
async def verify_all_audit(parts: Everything) -> Verification:
    """Every tenant's, also of those that were erased, and the chain of all; a second for every 20,000 rows or so."""

    async def work(database: Database) -> Verification:
        return await verified(parts, database, await audit.tenants(database), _wrong(parts, database))

    return await apart(parts.settings, work)


@router.get("/keys")
async def list_audit_keys(parts: Everything) -> PublicKeys:
    """The public keys that sign the audit."""
    return PublicKeys(public_keys=list(Signer(parts.settings.master_keys).known))


@router.post("/retention")
async def retain_audit(wanted: Retention, access: Whole) -> Retained:
    """Let older months go, whole, after each tenant's chain has said so, signed; repeated, nothing more goes."""
    settings, before = access.parts.settings, audit_months.months_before(datetime.now(UTC), wanted.months)
    order = audit_months.Order(access.tenant, access.principal.actor, access.request_id)

    async def work(database: Database) -> list[str]:
        return await _drop(settings, database, before, order)

    try:
        return Retained(before=before, dropped=await apart(settings, work))
    except DatabaseUnfit as error:
        raise Problem(str(error), status=409) from error


async def _drop(settings: Settings, database: Database, before: datetime, order: audit_months.Order) -> list[str]:
    url = settings.database_url or ""
    if audit_months.old_months(url, before):
        await state_drop(database, Signer(settings.master_keys), AnchorFile(settings.home), before)
    return audit_months.drop_months(url, before, order)


async def _wrong(parts: Parts, database: Database) -> AsyncIterator[str]:
    evidence = evidence_of(parts, database)
    async for finding in evidence.of_installation():
        yield str(finding)
    for tenant in await audit.tenants(database):
        async for finding in evidence.of_tenant(tenant):
            yield f"tenant {tenant}: {finding}"

"""`/audit`: who did what; whether it is as it was sealed; and a file for those who verify it alone."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from deployments.admin.access import Access, Asking, Moment, asking, of_any_tenant, of_tenant
from deployments.admin.apart import apart
from deployments.admin.page import After, Limit, Page, opened, seal
from deployments.admin.parts import Parts
from deployments.admin.principal import Role
from deployments.admin.problem import NotHere
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.signing import Signer
from konstruct.audit_export import ALWAYS, export
from konstruct.database import audit
from konstruct.database.pool import Database
from konstruct.evidence import Evidence

router = APIRouter(prefix="/tenants/{tenant}/audit", tags=["audit"])

LINES = "application/octet-stream"
FINDINGS_SHOWN = 200

Action = Annotated[str | None, Query(max_length=100, pattern=r"^[a-z_.]+$", description="Only this, as `reply.sent`.")]
Earliest = Annotated[Moment, Query(alias="from", description="The first moment.")]
Latest = Annotated[Moment, Query(alias="to", description="The moment after the last.")]


async def of_audited(access: Annotated[Access, Depends(of_any_tenant)]) -> Access:
    """As of_tenant; but a tenant that was erased, of which nothing but the audit is left, is there, too."""
    try:
        return await of_tenant(access)
    except NotHere:
        if access.tenant not in await audit.tenants(access.parts.database):
            raise
        return access


Verifying = Annotated[Access, Depends(asking(Role.operator, of_audited))]
Exporting = Annotated[Access, Depends(asking(Role.owner, of_audited))]


class AuditEvent(BaseModel):
    """Something that was done."""

    id: UUID
    at: datetime
    actor: str
    action: str
    subject: str
    request: str
    details: dict[str, Any]
    place: int | None = Field(description="In the chain; null for the seconds until it is sealed.")


class Verification(BaseModel):
    """What `konstruct audit verify` finds."""

    rows: int = Field(description="So many are sealed.")
    findings: list[str] = Field(description=f"What is wrong, at most {FINDINGS_SHOWN}; nothing where all is well.")
    left_off: bool = Field(description="There is more that is wrong.")
    public_keys: list[str] = Field(description="Those that sign exports, newest first.")


@router.get("")
async def list_audit(
    access: Asking, action: Action = None, limit: Limit = 50, cursor: After = None
) -> Page[AuditEvent]:
    """The latest first."""
    listed = f"audit {action}"
    position = opened(access.parts.vault, access.tenant, listed, cursor)
    before = (datetime.fromisoformat(position[0]), UUID(position[1])) if position else None
    async with access.transaction() as connection:
        found = await audit.listed(connection, action, before, limit + 1)
    items = [
        AuditEvent(
            id=event.id, at=event.at, actor=event.actor, action=event.action, subject=event.subject,
            request=event.request, details=event.details, place=place,
        )
        for event, place in found[:limit]
    ]  # fmt: skip
    more = None
    if len(found) > limit:
        more = seal(access.parts.vault, access.tenant, listed, [items[-1].at.isoformat(), str(items[-1].id)])
    return Page(items=items, next_cursor=more)


@router.get("/verification")
async def verify_audit(access: Verifying) -> Verification:
    """Read all of it and compare it with what was sealed; takes a second for every 20,000 rows or so."""

    async def work(database: Database) -> Verification:
        return await verified(access.parts, database, [access.tenant], _wrong(access, database))

    return await apart(access.parts.settings, work)


async def verified(
    parts: Parts, database: Database, tenants: Sequence[UUID], findings: AsyncIterator[str]
) -> Verification:
    """How many rows these tenants have, and what is found."""
    rows, shown = sum([(await audit.ends(database, tenant))[1] for tenant in tenants]), []
    async for finding in findings:
        shown.append(finding)
        if len(shown) > FINDINGS_SHOWN:
            break
    keys = list(Signer(parts.settings.master_keys).known)
    left_off = len(shown) > FINDINGS_SHOWN
    return Verification(rows=rows, findings=shown[:FINDINGS_SHOWN], left_off=left_off, public_keys=keys)


async def _wrong(access: Access, database: Database) -> AsyncIterator[str]:
    evidence = evidence_of(access.parts, database)
    for finding in await evidence.tail():
        yield str(finding)
    async for finding in evidence.of_tenant(access.tenant):
        yield str(finding)


def evidence_of(parts: Parts, database: Database) -> Evidence:
    """What verifies, with this machine's memory of the last anchor."""
    return Evidence(database, Signer(parts.settings.master_keys), AnchorFile(parts.settings.home))


@router.get("/export", response_class=StreamingResponse, responses={200: {"content": {LINES: {}}}})
async def export_audit(
    access: Exporting, earliest: Earliest = ALWAYS[0], latest: Latest = ALWAYS[1]
) -> StreamingResponse:
    """Lines of JSON; docs/audit.md has the recipe by which anybody verifies them. A part without its end is nothing."""
    signer = Signer(access.parts.settings.master_keys)
    lines = export(access.parts.database, signer, access.tenant, earliest.astimezone(UTC), latest.astimezone(UTC))
    # What stands against it from the start is said as a problem.
    first = await anext(lines)
    headers = {"Content-Disposition": f'attachment; filename="audit-{access.name}.jsonl"'}
    return StreamingResponse(_after(first, lines), media_type=LINES, headers=headers)


async def _after(first: bytes, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for line in lines:
        yield line

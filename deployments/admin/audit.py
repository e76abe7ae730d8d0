"""`/audit`: who did what; whether it is as it was sealed; and a file for those who verify it alone."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from deployments.admin.access import Access, Moment, Operating, Owning, Viewing
from deployments.admin.page import After, Limit, Page, opened, seal
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.signing import Signer
from konstruct.audit_export import ALWAYS, export
from konstruct.database import audit
from konstruct.evidence import Evidence

router = APIRouter(prefix="/tenants/{tenant}/audit", tags=["audit"])

LINES = "application/octet-stream"
FINDINGS_SHOWN = 200

Action = Annotated[str | None, Query(max_length=100, pattern=r"^[a-z_.]+$", description="Only this, as `reply.sent`.")]
Earliest = Annotated[Moment, Query(alias="from", description="The first moment.")]
Latest = Annotated[Moment, Query(alias="to", description="The moment after the last.")]


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
    public_keys: list[str] = Field(description="Those that sign exports, newest first.")


@router.get("")
async def list_audit(
    access: Viewing, action: Action = None, limit: Limit = 50, cursor: After = None
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
async def verify_audit(access: Operating) -> Verification:
    """Read all of it and compare it with what was sealed; takes a second for every 20,000 rows or so."""
    signer = _signer(access)
    evidence = Evidence(access.parts.database, signer, AnchorFile(access.parts.settings.home))
    _, rows = await audit.ends(access.parts.database, access.tenant)
    found = []
    async for finding in evidence.of_tenant(access.tenant):
        found.append(str(finding))
        if len(found) == FINDINGS_SHOWN:
            break
    found += [str(finding) for finding in await evidence.tail()]
    return Verification(rows=rows, findings=found[:FINDINGS_SHOWN], public_keys=list(signer.known))


@router.get("/export", response_class=StreamingResponse, responses={200: {"content": {LINES: {}}}})
async def export_audit(access: Owning, earliest: Earliest = ALWAYS[0], latest: Latest = ALWAYS[1]) -> StreamingResponse:
    """Lines of JSON; docs/audit.md has the recipe by which anybody verifies them. A part without its end is nothing."""
    lines = export(
        access.parts.database, _signer(access), access.tenant, earliest.astimezone(UTC), latest.astimezone(UTC)
    )
    # What stands against it from the start is said as a problem.
    first = await anext(lines)
    headers = {"Content-Disposition": f'attachment; filename="audit-{access.name}.jsonl"'}
    return StreamingResponse(_after(first, lines), media_type=LINES, headers=headers)


async def _after(first: bytes, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for line in lines:
        yield line


def _signer(access: Access) -> Signer:
    return Signer(access.parts.settings.master_keys)

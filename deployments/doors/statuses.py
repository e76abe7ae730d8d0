"""WhatsApp's statuses, in the words of the outbox."""

from collections.abc import Sequence
from uuid import UUID

import structlog

from konstruct.channels import whatsapp
from konstruct.database import amendments
from konstruct.database.amendments import Report
from konstruct.database.pool import Database

STATUS_SECONDS = 2.0

log = structlog.get_logger()


async def report(database: Database, statuses: Sequence[tuple[UUID, whatsapp.Status]]) -> None:
    """Make statuses durable; what failed is logged for the operator."""
    reports = [_report(tenant, status) for tenant, status in statuses]
    await amendments.record(database, reports, seconds=STATUS_SECONDS)
    for told in reports:
        if told.error:
            log.error("reply not delivered", tenant=told.tenant, message=told.external_id, reason=told.error)


def _report(tenant: UUID, status: whatsapp.Status) -> Report:
    error, fate = None, ""
    if status.status == "failed":
        problem = next(iter(status.problems), whatsapp.Problem(-1, ""))
        ruling = whatsapp.verdict(problem.code)
        sentence = ruling.sentence if ruling else "WhatsApp did not deliver the message."
        error = f"{sentence} (WhatsApp error {problem.code}: {problem.text or 'no details'})"
        fate = ruling.fate if ruling else ""
    return Report(
        tenant=tenant,
        reply=_reply(status.reply),
        external_id=status.id,
        # A voice message that was played was read.
        delivery="read" if status.status == "played" else status.status,
        error=error,
        again=fate in ("busy", "closed"),
        closed=fate == "closed",
    )


def _reply(callback: str) -> UUID | None:
    try:
        return UUID(callback)
    except ValueError:
        return None

"""WhatsApp's statuses, in the words of the outbox."""

from uuid import UUID

import structlog

from konstruct.channels import whatsapp
from konstruct.database.amendments import Report

log = structlog.get_logger()


def report_of(tenant: UUID, status: whatsapp.Status) -> Report:
    """What a status says of a reply; what failed is logged for the operator."""
    error, fate = None, ""
    if status.status == "failed":
        problem = next(iter(status.problems), whatsapp.Problem(-1, ""))
        ruling = whatsapp.verdict(problem.code)
        sentence = ruling.sentence if ruling else "WhatsApp did not deliver the message."
        error = f"{sentence} (WhatsApp error {problem.code}: {problem.text or 'no details'})"
        fate = ruling.fate if ruling else ""
        log.error("reply not delivered", tenant=tenant, message=status.id, reason=error)
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

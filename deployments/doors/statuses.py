"""WhatsApp's statuses, in the words of the outbox and of the ledger."""

from uuid import UUID

import structlog

from konstruct.channels import whatsapp
from konstruct.database.amendments import Report
from konstruct.database.charges import Charge
from konstruct.identity import charge_id

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


def charge_of(tenant: UUID, status: whatsapp.Status, at: float) -> Charge | None:
    """What a status says of the message's price; None if it says nothing. Meta charges for what was delivered."""
    delivered = status.status in ("delivered", "read", "played")
    if not delivered and not (status.status == "sent" and status.category):
        return None
    return Charge(
        tenant=tenant,
        id=charge_id(tenant, "whatsapp", status.id),
        reply=_reply(status.reply),
        external_id=status.id,
        delivered=delivered,
        category=status.category,
        country=whatsapp.country_of(status.person),
        billable=status.billable is not False,
        at=at,
    )


def _reply(callback: str) -> UUID | None:
    try:
        return UUID(callback)
    except ValueError:
        return None

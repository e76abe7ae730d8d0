"""What operators are told about money: in their words, once for each event."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from konstruct.billing.event import StripeEvent, snapshot_of
from konstruct.subscription import OVERDUE, Standing

UPDATE_CARD = "`konstruct subscription portal TENANT` opens the page where the card can be changed."


def notices(event: StripeEvent, now: Standing | None) -> list[str]:
    """What to tell of an event; `now`: the subscription as it is afterwards."""
    if now is not None and not now.known:
        return [unknown(now)]
    match event.type:
        case "invoice.payment_failed" if _still_due(event, now):
            return [_failed(event.about, now)]
        case "invoice.payment_action_required" if _still_due(event, now):
            link = event.about.get("hosted_invoice_url") or "the link that Stripe has sent"
            return [f"The bank wants a payment to be confirmed by its owner: {link}"]
        case "customer.subscription.trial_will_end":
            return [_trial(event)]
        case "customer.subscription.paused" if now is not None and now.snapshot.status == "paused":
            return [f"The subscription was paused: its trial is over, and no card is on record. {UPDATE_CARD}"]
        case "customer.subscription.deleted" if now is not None and now.snapshot.status == "canceled":
            return [f"The subscription ended{_on(now.snapshot.ended_at)}. A new Checkout begins another one."]
    return []


def unknown(now: Standing) -> str:
    """A status of tomorrow."""
    return (
        f"Stripe calls the subscription {now.snapshot.id} {now.snapshot.status!r}, which this version of Konstruct "
        "does not know. The employees go on answering; look into Stripe's Dashboard, and update Konstruct."
    )


def unsold(now: Standing) -> str:
    """Somebody made it beside Checkout, for something else."""
    return (
        f"Stripe has a subscription {now.snapshot.id} of this tenant whose prices are those of no plan. Nothing "
        "follows from it: it neither ends service nor keeps it up, and no usage is told for it. If you sell it, add "
        "its plan (`konstruct bill plans -f plans.yaml`): it counts with Stripe's next event about it."
    )


def doubled(subscriptions: Sequence[str]) -> str:
    """Two Checkouts were completed."""
    return (
        f"Stripe has several subscriptions of this tenant: {', '.join(subscriptions)}. Each charges its fee, and all "
        "invoice the same usage. Cancel all but one in Stripe's Dashboard, and refund what was charged twice."
    )


def suspended() -> str:
    """The grace period is over."""
    return (
        "The employees do not answer any more, for the subscription is not paid; who writes to them is told politely. "
        f"They go on as soon as it is. {UPDATE_CARD}"
    )


def _still_due(event: StripeEvent, now: Standing | None) -> bool:
    # News of a failure that came late, after the payment did, would alarm for nothing.
    return now is None or now.observed_at <= event.at or now.snapshot.status in OVERDUE


def _failed(invoice: Mapping[str, Any], now: Standing | None) -> str:
    again = invoice.get("next_payment_attempt")
    tries = f"Stripe tries again{_on(again)}." if again else "Stripe will not try again."
    until = _on(now.suspends_at) if now and now.suspends_at else ""
    stop = f" If nothing is paid, the employees stop answering{until}." if until else ""
    return f"A payment of {_amount(invoice)} failed. {tries}{stop} {UPDATE_CARD}"


def _trial(event: StripeEvent) -> str:
    snapshot = snapshot_of(event.about)
    ends = _on(snapshot.trial_ends_at if snapshot else None)
    return f"The trial ends{ends}; after it the plan is charged. {UPDATE_CARD}"


def _amount(invoice: Mapping[str, Any]) -> str:
    cents, currency = invoice.get("amount_due"), str(invoice.get("currency") or "").upper()[:3]
    # Currencies without cents are rare enough to be told in their smallest unit.
    return f"{currency} {cents // 100}.{cents % 100:02d}" if isinstance(cents, int) else "an invoice"


def _on(at: Any) -> str:
    if not isinstance(at, int) or isinstance(at, bool) or not 0 < at < 253_402_300_800:
        return ""
    return f" on {datetime.fromtimestamp(at, UTC):%d %B %Y, %H:%M} UTC"

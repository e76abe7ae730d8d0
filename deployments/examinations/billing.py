"""Stripe: is there a key that works, and does what Stripe tells arrive?"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from deployments.examinations.finding import Finding, Patient, odd, well, wrong
from konstruct.billing.stripe_api import StripeApi
from konstruct.errors import KonstructError, StripeUnavailable
from konstruct.settings import Settings

LOOK_BACK_SECONDS = 3 * 86_400
# Younger ones may be on their way still.
PATIENCE_SECONDS = 300
SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with


def stripe(patient: Patient) -> list[Finding]:
    """What is set, whether Stripe takes the key, and whether its events were accepted here."""
    settings = patient.settings
    if settings.stripe_secret_key is None:
        return [well("stripe", "billing is off: KONSTRUCT_STRIPE_SECRET_KEY is not set")]
    secrets = settings.stripe_webhook_secrets
    if not secrets:
        mend = "copy the endpoint's signing secret (whsec_…) from Stripe's Dashboard"
        return [wrong("stripe", "KONSTRUCT_STRIPE_WEBHOOK_SECRETS is not set: no event is accepted", mend)]
    findings = []
    if odd_ones := sum(not secret.startswith(SECRET_PREFIX) for secret in secrets):
        said = f"{odd_ones} of {len(secrets)} webhook secrets do not begin with {SECRET_PREFIX}"
        findings.append(wrong("stripe", said, "copy the endpoint's signing secret, not an API key"))
    try:
        waiting = asyncio.run(_waiting(settings))
    except StripeUnavailable as error:
        return [*findings, odd("stripe", f"not looked at: {error}", "try again, or see status.stripe.com")]
    except KonstructError as error:
        return [*findings, wrong("stripe", str(error), "correct KONSTRUCT_STRIPE_SECRET_KEY")]
    return [*findings, arrived(waiting)]


def arrived(waiting: list[dict[str, Any]]) -> Finding:
    """What is to be said of events that no endpoint has accepted."""
    if not waiting:
        return well("stripe", "takes our key; its events of the last three days were accepted")
    oldest = datetime.fromtimestamp(min(event["created"] for event in waiting), UTC)
    said = f"{len(waiting)} events since {oldest:%Y-%m-%d %H:%M} UTC were not accepted by their endpoint"
    mend = (
        "where the log says `webhook rejected`, KONSTRUCT_STRIPE_WEBHOOK_SECRETS is not the endpoint's; "
        "else see that Stripe reaches /stripe/webhook. It delivers again for three days"
    )
    return wrong("stripe", said, mend)


async def _waiting(settings: Settings) -> list[dict[str, Any]]:
    api, now = StripeApi.of(settings), int(time.time())
    span: dict[str, Any] = {"gte": now - LOOK_BACK_SECONDS, "lte": now - PATIENCE_SECONDS}
    asked: Any = {"created": span, "limit": 100, "delivery_success": False}
    found = await api.call(lambda client: client.v1.events.list(asked))
    return [event.to_dict() for event in found.data if event.pending_webhooks]

"""Stripe's webhook: verified on the raw bytes, in effect before it is acknowledged; else Stripe delivers it again."""

import time
from collections.abc import Mapping
from datetime import timedelta

import structlog

from deployments.doors.slack_install import page
from deployments.webhooks import HttpAnswer, Intake, said
from konstruct.billing import signature
from konstruct.billing.event import EventUnreadable, parse
from konstruct.billing.following import Follower
from konstruct.billing.stripe_api import StripeApi
from konstruct.database.pool import Database
from konstruct.settings import Settings
from konstruct.vault import Vault

KIND = "stripe"
# Stripe waits longer than that; what must be asked of it takes a second or two.
ACK_SECONDS = 15.0

log = structlog.get_logger()


async def welcome_back(_headers: Mapping[str, str], query: Mapping[str, str]) -> HttpAnswer:
    """Where Stripe's pages send the browser back to; what happened there comes by the webhook."""
    if query.get("outcome") == "subscribed":
        return page(200, "Thank you", "The subscription begins in a moment. You can close this window.")
    return page(200, "You are back", "Whatever you changed takes effect in a moment. You can close this window.")


class StripeDoor:
    """One endpoint for snapshot and thin events."""

    def __init__(self, intake: Intake, database: Database, settings: Settings, vault: Vault) -> None:
        """Nothing is opened here."""
        self._intake = intake
        self._secrets = settings.stripe_webhook_secrets
        self._follower = Follower(
            database,
            vault,
            StripeApi.of(settings),
            grace=timedelta(hours=settings.billing_grace_hours),
            failpoint=intake.failpoint,
        )

    async def webhook(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Take one event."""
        if not self._secrets:
            log.error("stripe event refused", reason="KONSTRUCT_STRIPE_WEBHOOK_SECRETS is not set")
            return said(503, "Billing is off here: KONSTRUCT_STRIPE_WEBHOOK_SECRETS is not set.")
        signature.verify(self._secrets, headers.get("stripe-signature", ""), body, time.time())
        outcome = await self._follow(body)
        self._intake.metrics.count("konstruct_stripe_events_total", outcome)
        return HttpAnswer(200, b'{"outcome":"%b"}' % outcome.encode())

    async def _follow(self, body: bytes) -> str:
        try:
            event = parse(body)
            outcome = await self._follower.follow(event)
        except EventUnreadable as unreadable:
            await self._intake.keep_malformed(KIND, str(unreadable), body)
            return "unreadable"
        log.info("stripe event", stripe_event=event.id, type=event.type, outcome=outcome)
        return outcome

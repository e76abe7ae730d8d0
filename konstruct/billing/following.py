"""Follows Stripe: whose event is it, does Stripe have to be asked, and what follows?"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from konstruct.billing import dunning
from konstruct.billing.event import (
    METADATA_TENANT,
    EventUnreadable,
    StripeEvent,
    customer_of,
    event_of,
    metadata_of,
    snapshot_of,
    subscription_of,
)
from konstruct.billing.stripe_api import StripeApi
from konstruct.database import meter_events, operators, plans, subscriptions
from konstruct.database.pool import Database
from konstruct.database.subscriptions import Effect, Known, Terms
from konstruct.database.tenants import tenant_of
from konstruct.errors import StripeRefused, StripeUnavailable
from konstruct.failpoints import Failpoint
from konstruct.subscription import FETCHED, Sighting, Snapshot, Standing, in_doubt, is_live, rank_of, standing
from konstruct.vault import Vault

ATTEMPTS = 8
STATES = "customer.subscription."
METERS = ("billing.meter.error_report_triggered", "billing.meter.no_meter_found")
TOLD = frozenset({"invoice.payment_failed", "invoice.payment_action_required"})
COMPLETED = "checkout.session.completed"
Outcome = Literal["kept", "seen", "ignored", "foreign"]

log = structlog.get_logger()


class Follower:
    """Brings events into effect; state is what the set of events says, in whatever order they come."""

    def __init__(
        self, database: Database, vault: Vault, api: StripeApi, *, grace: timedelta, failpoint: Failpoint
    ) -> None:
        """`grace`: how long a tenant whose payment failed is served."""
        self._database = database
        self._vault = vault
        self._api = api
        self._grace = grace
        self._failpoint = failpoint
        self._lines: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def follow(self, event: StripeEvent) -> Outcome:
        """Let an event take effect, once; raises what passes by itself (deliver it again) or EventUnreadable."""
        if event.type in METERS:
            # Of the whole account, no tenant's; the Biller applies it.
            await meter_events.keep_report(self._database, event.id, event.type, event.body)
            return "kept"
        if not (event.type.startswith(STATES) or event.type in TOLD or event.type == COMPLETED):
            return "ignored"
        if event.thin:
            event = await self._whole(event)
        customer = customer_of(event.about)
        tenant = await self._tenant(customer, event)
        if tenant is None:
            return "foreign"
        # In line here, since each would make the others of its tenant look again; processes meet at the version.
        line = self._lines.setdefault(tenant, asyncio.Lock())
        async with line:
            return await self._take_effect(event, tenant, customer)

    async def _take_effect(self, event: StripeEvent, tenant: UUID, customer: str) -> Outcome:
        subscription = subscription_of(event.about) or None
        terms = await self._terms(tenant)
        for _ in range(ATTEMPTS):
            found = await subscriptions.known(self._database, tenant, customer, event.id, subscription)
            if found.seen:
                return "seen"
            effect = await self._effect(event, subscription, found, terms)
            self._failpoint("before_stripe_event")
            kept = await subscriptions.keep(self._database, tenant, effect, terms, version=found.version)
            self._failpoint("after_stripe_event")
            if kept != "moved":
                return kept
        raise StripeUnavailable("Other events of this customer came in between each time; deliver it again.")

    async def _whole(self, event: StripeEvent) -> StripeEvent:
        """What a thin event only names. It is the event of its snapshot, which may come as well: one effect."""
        if event.snapshot_event:
            try:
                return event_of(await self._api.event(event.snapshot_event))
            except StripeRefused as refused:
                if refused.code != "resource_missing":
                    raise
        if not event.related:
            raise EventUnreadable("it is thin, and does not say what it is about")
        # As it is now, not as it was then: of what it shows only its names count, its status is asked for in its turn.
        about = await self._api.related(event.related)
        return replace(event, about={name: value for name, value in about.items() if name != "status"}, thin=False)

    async def _tenant(self, customer: str, event: StripeEvent) -> UUID | None:
        if customer and (found := await subscriptions.tenant_of(self._database, customer)) is not None:
            return found
        noted = _uuid(metadata_of(event.about).get(METADATA_TENANT))
        if customer and noted is not None and await self._is_its(noted, customer):
            return noted
        log.info("stripe event of nobody here", stripe_event=event.id, type=event.type, customer=customer)
        return None

    async def _is_its(self, tenant: UUID, customer: str) -> bool:
        """Whether a customer may be this tenant's: its first one, or one that it had before.

        Another installation may use the same account, and have a tenant of the same name.
        """
        async with self._database.tenant(tenant) as connection:
            if await tenant_of(connection) is None:
                return False
            own = await subscriptions.customer_within(connection)
            if own is None or own.id == customer:  # just now, perhaps, by another event
                return True
            return any(one["customer"] == customer for one in await subscriptions.within(connection))

    async def _effect(self, event: StripeEvent, subscription: str | None, found: Known, terms: Terms) -> Effect:
        if subscription is None:
            return Effect(event.id, event.type, event.at, None, notices=tuple(dunning.notices(event, None)))
        shown, asked = _shown(event), None
        if self._must_ask(event, shown, found):
            asked = await self._asked(event, subscription, found, enough=shown is not None)
        seen = [*found.sightings, *(one for one in (shown, asked) if one)]
        now = standing(seen, self._grace) if seen else None
        told = dunning.notices(event, now)
        if now and not now.known:
            log.error("unknown subscription status", subscription=subscription, status=now.snapshot.status)
            # Told once for each such status, not with every event.
            told = [] if any(one.snapshot.status == now.snapshot.status for one in found.sightings) else told
        if now and terms.plan_of(now.snapshot) is None:
            # Nothing follows from it, so that nothing else is to be told of it.
            before = any(_is_unsold(one.snapshot, terms) for one in found.sightings)
            told = [] if before or not _is_unsold(now.snapshot, terms) else [dunning.unsold(now)]
        elif now and found.beside and _begins(now, found):
            log.error("a tenant has several subscriptions", subscription=subscription, beside=found.beside)
            told = [*told, dunning.doubled([subscription, *found.beside])]
        return Effect(event.id, event.type, event.at, subscription, shown, asked, tuple(told))

    def _must_ask(self, event: StripeEvent, shown: Sighting | None, found: Known) -> bool:
        """Whether the event does not show the subscription, or not clearly which of several events came last."""
        if event.type.startswith(STATES):
            return shown is None or in_doubt(found.sightings, shown)
        # After Checkout the customer waits, and the subscription's own events may be late.
        return event.type == COMPLETED and not found.sightings

    async def _asked(self, event: StripeEvent, subscription: str, found: Known, *, enough: bool) -> Sighting | None:
        """What Stripe says; where it refuses to, the event itself may be `enough`."""
        try:
            snapshot = snapshot_of(await self._api.subscription(subscription))
        except StripeRefused as refused:
            if not enough:
                raise
            log.warning("the subscription cannot be asked for", subscription=subscription, reason=str(refused))
            return None
        if snapshot is None:
            raise EventUnreadable(f"the subscription {subscription} is of no known shape")
        return Sighting(event.id, event.at, FETCHED, snapshot, place=found.version)

    async def _terms(self, tenant: UUID) -> Terms:
        offered = await plans.offered(self._database)
        prices = {
            price: plan.name for plan in offered.values() for price in (plan.fee_price, plan.usage_price) if price
        }
        return Terms(prices, self._grace, await operators.place_of(self._database, self._vault, tenant))


def _shown(event: StripeEvent) -> Sighting | None:
    snapshot = snapshot_of(event.about) if event.type.startswith(STATES) else None
    return Sighting(event.id, event.at, rank_of(event.type), snapshot) if snapshot else None


def _is_unsold(seen: Snapshot, terms: Terms) -> bool:
    """Whether Stripe invoices a subscription to what is no plan."""
    return is_live(seen.status, seen.ended_at) and terms.plan_of(seen) is None


def _begins(now: Standing, found: Known) -> bool:
    """Whether the subscription lives, and was not known to."""
    before = [one.snapshot for one in found.sightings]
    return is_live(now.snapshot.status, now.snapshot.ended_at) and not any(
        is_live(one.status, one.ended_at) for one in before
    )


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None

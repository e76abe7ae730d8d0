"""Stripe's own pages for a tenant: Checkout, where it subscribes, and the portal, where it changes its mind."""

from hashlib import sha256
from typing import Any
from uuid import UUID

from konstruct.billing.event import METADATA_PLAN, METADATA_TENANT, snapshot_of
from konstruct.billing.stripe_api import StripeApi
from konstruct.database import plans, subscriptions
from konstruct.database.pool import Database
from konstruct.errors import AlreadySubscribed, PlanNotSold, StripeRefused
from konstruct.plans import Plan
from konstruct.subscription import is_live

RETURN = "/stripe/return"
MOST_TRIAL_DAYS = 90


class Cashier:
    """Opens pages. A page that was asked for under the same key is the same page."""

    def __init__(self, database: Database, api: StripeApi, public_url: str) -> None:
        """`public_url`: where browsers come back to."""
        self._database = database
        self._api = api
        self._back = public_url.rstrip("/") + RETURN

    async def checkout(self, tenant: UUID, name: str, plan_name: str, *, key: str, trial_days: int = 0) -> str:
        """The address of a page that subscribes to a plan; raises AlreadySubscribed, PlanNotSold, Stripe…."""
        plan = (await plans.offered(self._database)).get(plan_name)
        if plan is None or not plan.fee_price:
            raise PlanNotSold(
                f"There is no plan {plan_name!r} with a price in Stripe; `konstruct bill plans -f plans.yaml` adds one."
            )
        for one in await subscriptions.of_tenant(self._database, tenant):
            if one["plan"] and is_live(one["status"], one["ended_at"]):
                raise _subscribed(name, one["id"], one["status"])
        customer = await self._customer(tenant, name)
        await self._check_unsubscribed(customer, name)
        asked = _session(tenant, plan, customer, self._back, trial_days)
        options = {"idempotency_key": _key("checkout", tenant, key)}
        session = await self._api.call(
            lambda client: client.v1.checkout.sessions.create(asked, options)  # type: ignore[arg-type]
        )
        if not session.url or not await self._is_only_open(session.id, customer, name):
            raise StripeRefused(
                "This Checkout was completed, has expired, or gave way to another; ask for another one."
            )
        return str(session.url)

    async def portal(self, tenant: UUID, name: str, *, key: str) -> str:
        """The address of the tenant's portal, good for some minutes."""
        customer = await self._customer(tenant, name)
        options = {"idempotency_key": _key("portal", tenant, key)}
        session = await self._api.call(
            lambda client: client.v1.billing_portal.sessions.create(
                {"customer": customer, "return_url": self._back},
                options,  # type: ignore[arg-type]
            )
        )
        return str(session.url)

    async def _check_unsubscribed(self, customer: str, name: str) -> None:
        """Stripe itself is asked: its webhook may be late."""
        offered = await plans.offered(self._database)
        sold = {price for plan in offered.values() for price in (plan.fee_price, plan.usage_price) if price}
        params: Any = {"customer": customer, "limit": 100}
        found = await self._api.call(
            lambda client: [one.to_dict() for one in client.v1.subscriptions.list(params).auto_paging_iter()]
        )
        for one in filter(None, map(snapshot_of, found)):
            if is_live(one.status, one.ended_at) and sold.intersection(one.prices):
                raise _subscribed(name, one.id, one.status)

    async def _is_only_open(self, session: str, customer: str, name: str) -> bool:
        """Closes the pages from before: each would make a subscription of its own. False: it is not open any more."""
        params: Any = {"customer": customer, "status": "open", "limit": 100}
        found = await self._api.call(
            lambda client: [one.to_dict() for one in client.v1.checkout.sessions.list(params).auto_paging_iter()]
        )
        newest_first = [one["id"] for one in found if METADATA_TENANT in (one.get("metadata") or {})]
        if session not in newest_first:
            return False
        try:
            for earlier in newest_first[newest_first.index(session) + 1 :]:
                await self._expire(earlier)
        except StripeRefused as refused:
            await self._expire(session)
            raise AlreadySubscribed(
                f"An earlier Checkout of {name} was completed, or expired, just now; "
                "`konstruct subscription show` says which. Ask again if there is no subscription."
            ) from refused
        return True

    async def _expire(self, session: str) -> None:
        await self._api.call(lambda client: client.v1.checkout.sessions.expire(session))

    async def _customer(self, tenant: UUID, name: str) -> str:
        known = await subscriptions.customer(self._database, tenant)
        if known is None:
            return await subscriptions.keep_customer(self._database, tenant, await self._create(tenant, name, ""))
        found = await self._api.call(lambda client: client.v1.customers.retrieve(known.id))
        if not getattr(found, "deleted", False):
            return known.id
        # Deleted in the Dashboard: a customer cannot come back.
        created = await self._create(tenant, name, known.id)
        return await subscriptions.keep_customer(self._database, tenant, created, instead_of=known.id)

    async def _create(self, tenant: UUID, name: str, instead_of: str) -> str:
        """Killed between Stripe's answer and our commit, the same key finds the same customer."""
        options = {"idempotency_key": _key("customer", tenant, instead_of)}
        created = await self._api.call(
            lambda client: client.v1.customers.create(
                {"name": name, "metadata": {METADATA_TENANT: str(tenant)}},
                options,  # type: ignore[arg-type]
            )
        )
        return created.id


def _subscribed(name: str, id_: str, status: str) -> AlreadySubscribed:
    return AlreadySubscribed(f"{name} has the subscription {id_} ({status}); the portal changes or ends it.")


def _session(tenant: UUID, plan: Plan, customer: str, back: str, trial_days: int) -> dict[str, Any]:
    noted = {METADATA_TENANT: str(tenant), METADATA_PLAN: plan.name}
    subscription: dict[str, Any] = {"metadata": noted}
    items: list[dict[str, Any]] = [{"price": plan.fee_price, "quantity": 1}]
    if plan.usage_price:
        items.append({"price": plan.usage_price})
    asked: dict[str, Any] = {
        "mode": "subscription",
        "customer": customer,
        "client_reference_id": str(tenant),
        "line_items": items,
        "metadata": noted,
        "subscription_data": subscription,
        "success_url": f"{back}?outcome=subscribed",
        "cancel_url": back,
    }
    if trial_days:
        subscription["trial_period_days"] = trial_days
        # Without a card the trial ends in a pause, not in an invoice that nobody pays.
        subscription["trial_settings"] = {"end_behavior": {"missing_payment_method": "pause"}}
        asked["payment_method_collection"] = "if_required"
    return asked


def _key(what: str, tenant: UUID, key: str) -> str:
    return f"konstruct-{what}-{sha256(f'{tenant}:{key}'.encode()).hexdigest()}"

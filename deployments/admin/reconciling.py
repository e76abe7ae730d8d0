"""`/installation/reconciliations`: the ledger compared with Stripe's sums now, a few tenants at a time."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from actors.reckoning import Reckoning
from deployments.admin.access import Everything
from deployments.admin.bill import Reconciliation
from deployments.admin.installation import installation_only
from deployments.admin.page import INSTALLATION, After, Page, opened, seal
from deployments.admin.parts import Parts
from deployments.admin.problem import Problem
from konstruct.billing.meters import Meters
from konstruct.billing.stripe_api import StripeApi
from konstruct.database import meter_events
from konstruct.database.installation import tenant_names
from konstruct.identity import tenant_id
from konstruct.metrics import Unmeasured

router = APIRouter(prefix="/installation", tags=["installation"], dependencies=[Depends(installation_only)])

LISTED = "reconciliations"
# Compared at the same time, so that a page takes as long as Stripe needs for one of them.
Tenants = Annotated[int, Query(ge=1, le=20, description="How many tenants at most, each with all its meters.")]


class TenantReconciliation(Reconciliation):
    """A month of a tenant, compared now."""

    tenant: str


@router.post("/reconciliations")
async def reconcile(parts: Everything, limit: Tenants = 8, cursor: After = None) -> Page[TenantReconciliation]:
    """Compare this month and the last with Stripe, of every tenant that subscribes or did; kept as each night's is.

    Two who ask at once find the same.
    """
    if parts.settings.stripe_secret_key is None:
        raise Problem("Billing is off: KONSTRUCT_STRIPE_SECRET_KEY is not set.", status=409)
    [after] = opened(parts.vault, INSTALLATION, LISTED, cursor) or [""]
    left = [tenant for tenant in await meter_events.subscribers(parts.database) if str(tenant) > after]
    compared = await _compare(parts, left[:limit])
    more = seal(parts.vault, INSTALLATION, LISTED, [str(left[limit - 1])]) if len(left) > limit else None
    return Page(items=compared, next_cursor=more)


async def _compare(parts: Parts, tenants: list[UUID]) -> list[TenantReconciliation]:
    names = {tenant_id(name): name for name in await tenant_names(parts.database)}
    reckoning = Reckoning(parts.database, Meters(StripeApi.of(parts.settings)), Unmeasured(), _show)
    now = datetime.now(UTC)
    found = await asyncio.gather(*(reckoning.reconcile(tenant, now) for tenant in tenants))
    return [
        TenantReconciliation(
            tenant=names.get(tenant, str(tenant)), month=month, customer=sums.customer, event_name=sums.event_name,
            ledger=sums.ledger, stripe=stripe, unsent=sums.unsent, refused=sums.refused,
            difference=sums.ledger - stripe, difference_micros=micros, at=now,
        )
        for tenant, compared in zip(tenants, found, strict=True)
        for month, sums, stripe, micros in compared
    ]  # fmt: skip


async def _show(*_difference: object) -> None:
    """Who asks, sees it; operators are told by what compares each night."""

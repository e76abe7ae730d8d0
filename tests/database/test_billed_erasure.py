"""A tenant that Stripe charges, or whose usage it lacks, is not erased by accident."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import cast
from uuid import UUID

import pytest
import pytest_asyncio

from konstruct.errors import BillUnsettled
from konstruct.forgetting import forget_tenant
from konstruct.media.store import MediaStore
from tests.biller_rig import ACME, BillingRig, billing_rig


@pytest_asyncio.fixture
async def k(database_url: str) -> AsyncIterator[BillingRig]:
    async with billing_rig(database_url) as rig:
        yield rig


class Nowhere:
    """No files."""

    async def delete_tenant(self, tenant: UUID) -> None:
        """There are none."""


async def test_a_tenant_that_stripe_charges_or_whose_usage_it_lacks_is_not_erased(k: BillingRig) -> None:
    have = await k.subscribe(ACME)
    k.use(ACME, 700)
    erase = partial(forget_tenant, k.database, cast(MediaStore, Nowhere()), ACME)
    with pytest.raises(BillUnsettled, match=r"charging for sub \(active\).*700 units in 1 events") as refused:
        await erase()
    assert "--abandon-billing" in str(refused.value)
    assert k.ledger() == 700, "nothing was erased"
    await k.drain()
    with pytest.raises(BillUnsettled, match="cancel it first"):
        await erase()
    k.execute("update subscriptions set status = 'canceled', ended_at = %s", k.now())
    k.use(ACME, 9, k.now() - timedelta(minutes=1))
    with pytest.raises(BillUnsettled, match="^Stripe does not have all usage yet: 9 units"):
        await erase()
    await k.drain()
    await erase()
    assert k.rows("select name from tenants") == [("globex",)]
    assert k.stripe.world.store.get("customer", have.customer)["id"] == have.customer


async def test_a_tenant_is_erased_while_stripe_charges_where_billing_is_given_up(k: BillingRig) -> None:
    await k.subscribe(ACME)
    k.use(ACME, 700)
    await forget_tenant(k.database, cast(MediaStore, Nowhere()), ACME, abandon_billing=True)
    assert k.rows("select name from tenants") == [("globex",)]

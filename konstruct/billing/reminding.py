"""What no event tells: that a grace period has run out."""

from konstruct.billing import dunning
from konstruct.database import operators, subscriptions
from konstruct.database.pool import Database
from konstruct.vault import Vault


async def remind(database: Database, vault: Vault) -> int:
    """Tell the operators of every tenant whose service has ended since, once; answers how many."""
    found = await subscriptions.untold(database)
    for tenant in found:
        customer = await subscriptions.customer(database, tenant)
        if customer is not None and customer.suspends_at is not None:
            place = await operators.place_of(database, vault, tenant)
            await subscriptions.tell_suspension(database, tenant, customer.suspends_at, dunning.suspended(), place)
    return len(found)

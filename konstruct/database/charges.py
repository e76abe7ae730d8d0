"""What channels charge for messages, priced by the operator's own list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from konstruct.database.pool import Database, TenantConnection
from konstruct.errors import PricesInvalid
from konstruct.message_prices import PriceList


@dataclass(frozen=True, slots=True)
class Charge:
    """What a channel says of one message's price; several may come for a message, in any order."""

    tenant: UUID
    id: UUID
    reply: UUID | None
    external_id: str
    delivered: bool
    category: str
    country: str
    billable: bool
    at: float


async def record(database: Database, charges: Sequence[Charge], *, seconds: float) -> None:
    """One charge per message, priced once: when it is known to be delivered, and of what category."""
    await database.run(
        "record_charges",
        seconds=seconds,
        tenants=[charge.tenant for charge in charges],
        charges=[charge.id for charge in charges],
        replies=[charge.reply for charge in charges],
        external_ids=[charge.external_id for charge in charges],
        delivered=[charge.delivered for charge in charges],
        categories=[charge.category for charge in charges],
        countries=[charge.country for charge in charges],
        billable=[charge.billable for charge in charges],
        ats=[datetime.fromtimestamp(charge.at, UTC) for charge in charges],
    )


async def keep_prices(database: Database | TenantConnection, prices: PriceList) -> bool:
    """Add a version of the list; False if it is there already. Raises PricesInvalid if it is there, but different."""
    kept: str = await database.run(
        "keep_prices",
        version=prices.version,
        valid_from=prices.valid_from,
        categories=[price.category for price in prices.prices],
        countries=[price.country for price in prices.prices],
        prices=[price.micros for price in prices.prices],
    )
    if kept == "different":
        raise PricesInvalid(
            f"Version {prices.version} of the message prices is in use with other prices, and charges name it; "
            "give the new list a new version."
        )
    return kept == "added"

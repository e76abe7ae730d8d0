"""`/installation/plans` and `/message-prices`: what the installation's owner charges, and is charged."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from deployments.admin.installation import Whole
from konstruct.database import audit, charges, plans
from konstruct.message_prices import PriceList
from konstruct.plans import Plans

router = APIRouter(prefix="/installation", tags=["installation"])


class PlansKept(BaseModel):
    """What came of it."""

    new: list[str] = Field(description="Names of those that were not there yet.")


class PricesKept(BaseModel):
    """What came of it."""

    version: str
    valid_from: datetime
    new: bool = Field(description="False: it was there already.")


@router.post("/plans")
async def keep_plans(wanted: Plans, access: Whole) -> PlansKept:
    """Add plans. A plan never changes, because invoices are explained by it: a new offer has a new name."""
    async with access.transaction() as connection:
        new = await plans.keep(connection, wanted.plans)
        for name in new:
            await audit.record(connection, "plan.created", f"plan:{name}")
    return PlansKept(new=new)


@router.post("/message-prices")
async def keep_message_prices(wanted: PriceList, access: Whole) -> PricesKept:
    """Add a version of what messages cost. It never changes, because charges name it: a new list is a new version."""
    async with access.transaction() as connection:
        new = await charges.keep_prices(connection, wanted)
        if new:
            await audit.record(connection, "message_prices.created", f"message_prices:{wanted.version}")
    return PricesKept(version=wanted.version, valid_from=wanted.valid_from, new=new)

"""`/installation/plans` and `/message-prices`: what the installation's owner charges, and is charged."""

from datetime import datetime

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from deployments.admin.access import Everything
from deployments.admin.installation import installation_only
from konstruct.database import charges, plans
from konstruct.message_prices import PriceList
from konstruct.plans import Plans

router = APIRouter(prefix="/installation", tags=["installation"], dependencies=[Depends(installation_only)])


class PlansKept(BaseModel):
    """What came of it."""

    new: list[str] = Field(description="Names of those that were not there yet.")


class PricesKept(BaseModel):
    """What came of it."""

    version: str
    valid_from: datetime
    new: bool = Field(description="False: it was there already.")


@router.post("/plans")
async def keep_plans(wanted: Plans, parts: Everything) -> PlansKept:
    """Add plans. A plan never changes, because invoices are explained by it: a new offer has a new name."""
    return PlansKept(new=await plans.keep(parts.database, wanted.plans))


@router.post("/message-prices")
async def keep_message_prices(wanted: PriceList, parts: Everything) -> PricesKept:
    """Add a version of what messages cost. It never changes, because charges name it: a new list is a new version."""
    new = await charges.keep_prices(parts.database, wanted)
    return PricesKept(version=wanted.version, valid_from=wanted.valid_from, new=new)

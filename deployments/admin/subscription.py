"""`/subscription`: what the tenant pays for, and Stripe's pages where it subscribes and changes its mind."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deployments.admin.access import Access, Owning, Viewing
from deployments.admin.once import once_elsewhere
from konstruct.billing.checkout import MOST_TRIAL_DAYS, Cashier
from konstruct.billing.stripe_api import StripeApi
from konstruct.database import subscriptions

router = APIRouter(prefix="/tenants/{tenant}/subscription", tags=["subscription"])


class Subscription(BaseModel):
    """One subscription, as Stripe's events made it."""

    id: str
    plan: str | None = Field(description="Null: its prices are those of no plan, and nothing follows from it.")
    status: str = Field(description="Stripe's word; one that we do not know is served, and operators are told.")
    started_at: datetime
    ended_at: datetime | None
    period_start_at: datetime | None
    period_end_at: datetime | None
    trial_ends_at: datetime | None
    cancels_at: datetime | None
    overdue_at: datetime | None = Field(description="Since when, while it is.")
    suspends_at: datetime | None = Field(description="When service ends, as far as this subscription goes.")
    observed_at: datetime = Field(description="The event that this is known from.")


class Standing(BaseModel):
    """All of them, and what follows for the tenant."""

    customer: str | None = Field(description="In Stripe; null before the first Checkout.")
    suspends_at: datetime | None = Field(description="From then on no employee answers; null: service goes on.")
    subscriptions: list[Subscription]


class WantedCheckout(BaseModel):
    """What to subscribe to."""

    model_config = ConfigDict(extra="forbid")

    plan: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    trial_days: int = Field(0, ge=0, le=MOST_TRIAL_DAYS)


class Opened(BaseModel):
    """A page of Stripe's, for a browser."""

    url: str


@router.get("", response_model=Standing)
async def read_subscription(access: Viewing) -> Response:
    """Whether and for what the tenant pays, and until when it is served."""
    async with access.transaction() as connection:
        customer = await subscriptions.customer_within(connection)
        found = await subscriptions.within(connection)
    return access.show(
        Standing(
            customer=customer.id if customer else None,
            suspends_at=customer.suspends_at if customer else None,
            subscriptions=[Subscription.model_validate(row) for row in found],
        )
    )


@router.post("/checkout", status_code=201, response_model=Opened)
async def open_checkout(wanted: WantedCheckout, access: Owning) -> Response:
    """A page to subscribe on."""

    async def effect(key: str) -> Opened:
        url = await _cashier(access).checkout(
            access.tenant, access.name, wanted.plan, key=key, trial_days=wanted.trial_days
        )
        return Opened(url=url)

    return await once_elsewhere(access, effect, 201)


@router.post("/portal", status_code=201, response_model=Opened)
async def open_portal(access: Owning) -> Response:
    """A page to change the card, the plan or one's mind on."""

    async def effect(key: str) -> Opened:
        return Opened(url=await _cashier(access).portal(access.tenant, access.name, key=key))

    return await once_elsewhere(access, effect, 201)


def _cashier(access: Access) -> Cashier:
    settings = access.parts.settings
    return Cashier(access.parts.database, StripeApi.of(settings), settings.public_url)

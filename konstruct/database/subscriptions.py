"""Subscriptions as Stripe's events made them: each event takes effect once, in one transaction with its effect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from konstruct.database import operators
from konstruct.database.pool import Database, TenantConnection
from konstruct.messages import Address
from konstruct.subscription import (
    FETCHED,
    Sighting,
    Snapshot,
    former_plans,
    is_live,
    moment,
    standing,
    suspension,
)

ACTOR = "stripe"
Kept = Literal["kept", "seen", "moved"]


@dataclass(frozen=True, slots=True)
class Customer:
    """A tenant in Stripe. `version` grows with every effect; `suspends_at`: no employee answers from then on."""

    id: str
    version: int
    suspends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known before an event takes effect. `beside`: the tenant's other live subscriptions."""

    version: int
    seen: bool
    sightings: tuple[Sighting, ...]
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """One event and what follows from it; without sightings, nothing that concerns a subscription's state."""

    event: str
    type: str
    at: int
    subscription: str | None
    shown: Sighting | None = None  # by the event itself
    asked: Sighting | None = None  # by Stripe, because of the event
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What the effect depends on besides events: the plans' prices (price -> plan), the days of grace."""

    plans: Mapping[str, str]
    grace: timedelta
    operators: Address | None = None

    def plan_of(self, seen: Snapshot) -> str | None:
        """What a subscription is to; None: its prices are those of no plan."""
        return next((self.plans[price] for price in seen.prices if price in self.plans), seen.plan)


async def tenant_of(database: Database, customer: str) -> UUID | None:
    """Whose customer this is."""
    found: UUID | None = await database.run("find_stripe_customer", customer=customer)
    return found


async def customer(database: Database, tenant: UUID) -> Customer | None:
    """The tenant's customer; None before its first Checkout."""
    async with database.tenant(tenant) as connection:
        return await customer_within(connection)


async def keep_customer(database: Database, tenant: UUID, id_: str, *, instead_of: str = "") -> str:
    """Remember the tenant's customer; answers whom it really has: another may have been faster."""
    async with database.tenant(tenant) as connection:
        if instead_of:
            await connection.run("replace_stripe_customer", customer=id_, old_name=instead_of)
        await _keep_customer(connection, id_)
        kept = await customer_within(connection)
        return kept.id if kept else id_


async def known(database: Database, tenant: UUID, customer_id: str, event: str, subscription: str | None) -> Known:
    """What an event meets; the tenant's customer is on record afterwards."""
    async with database.tenant(tenant, actor=ACTOR, request=event) as connection:
        await _keep_customer(connection, customer_id)
        version = await _lock(connection)
        seen = await connection.run("has_stripe_event", event=event)
        beside = tuple(
            row["id"]
            for row in await within(connection)
            if row["id"] != subscription and row["plan"] and is_live(row["status"], row["ended_at"])
        )
        return Known(version, seen, await _sightings(connection, subscription), beside)


async def keep(database: Database, tenant: UUID, effect: Effect, terms: Terms, *, version: int) -> Kept:
    """Let an event take effect, all of it or nothing; `moved`: another did since `version`, so look anew."""
    async with database.tenant(tenant, actor=ACTOR, request=effect.event) as connection:
        if await _lock(connection) != version:
            return "moved"
        if not await _keep_event(connection, effect, version):
            return "seen"
        if effect.shown or effect.asked:
            sightings = await _sightings(connection, effect.subscription)
            await _save(connection, sightings, terms)
        # One to what we do not sell neither ends service nor keeps it up.
        ours = [row for row in await within(connection) if row["plan"]]
        ends = suspension((row["status"], _unix(row["suspends_at"])) for row in ours)
        await connection.run("settle_stripe_customer", suspends_at=moment(ends))
        for number, text in enumerate(effect.notices):
            await operators.tell(connection, f"{effect.event}:{number}", text, terms.operators)
    return "kept"


async def of_tenant(database: Database, tenant: UUID) -> list[dict[str, Any]]:
    """The tenant's subscriptions, newest first."""
    async with database.tenant(tenant) as connection:
        return await within(connection)


async def untold(database: Database) -> Sequence[UUID]:
    """Tenants whose service has ended, and whose operators do not know."""
    return [row["tenant"] for row in await database.run("suspended_untold")]


async def tell_suspension(
    database: Database, tenant: UUID, suspends_at: datetime, text: str, place: Address | None
) -> None:
    """Tell it, once."""
    async with database.tenant(tenant) as connection:
        await connection.run("note_suspension_told", suspends_at=suspends_at)
        await operators.tell(connection, f"suspended:{suspends_at.isoformat()}", text, place)


async def customer_within(connection: TenantConnection) -> Customer | None:
    """The tenant's customer, in a transaction of its own."""
    row = await connection.run("stripe_customer")
    return Customer(**dict(row)) if row else None


async def _keep_customer(connection: TenantConnection, id_: str) -> None:
    await connection.run("keep_stripe_customer", customer=id_)


async def _lock(connection: TenantConnection) -> int:
    return int(await connection.run("lock_stripe_customer"))


async def within(connection: TenantConnection) -> list[dict[str, Any]]:
    """The tenant's subscriptions, in a transaction of its own."""
    return [dict(row) for row in await connection.run("subscriptions")]


async def _sightings(connection: TenantConnection, subscription: str | None) -> tuple[Sighting, ...]:
    if subscription is None:
        return ()
    rows = await connection.run("sightings", subscription=subscription)
    return tuple(
        Sighting(row["id"], row["at"], rank, Snapshot.recalled(seen), row["place"])
        for row in rows
        for rank, seen in ((row["rank"], row["snapshot"]), (FETCHED, row["asked"]))
        if seen
    )


async def _keep_event(connection: TenantConnection, effect: Effect, version: int) -> bool:
    shown, asked = effect.shown, effect.asked
    return bool(
        await connection.run(
            "keep_stripe_event",
            event=effect.event,
            type=effect.type,
            unix_at=effect.at,
            subscription=effect.subscription,
            rank=shown.rank if shown else 0,
            version=version,
            snapshot=shown.snapshot.stored if shown else None,
            asked=asked.snapshot.stored if asked else None,
        )
    )


async def _save(connection: TenantConnection, sightings: Sequence[Sighting], terms: Terms) -> None:
    now = standing(sightings, terms.grace)
    seen, left = now.snapshot, former_plans(sightings, terms.plan_of)
    await connection.run(
        "save_subscription",
        subscription=seen.id,
        customer=seen.customer,
        plan=terms.plan_of(seen),
        status=seen.status,
        started_at=moment(seen.started_at),
        ended_at=moment(seen.ended_at),
        period_start_at=moment(seen.period_start_at),
        period_end_at=moment(seen.period_end_at),
        trial_ends_at=moment(seen.trial_ends_at),
        cancels_at=moment(seen.cancels_at),
        overdue_at=moment(now.overdue_since),
        suspends_at=moment(now.suspends_at),
        observed_at=moment(now.observed_at),
        former_plans=[plan for plan, _ in left],
        left_at=[moment(at) for _, at in left],
    )


def _unix(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())

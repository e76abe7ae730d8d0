"""Meter events: derived from the ledger, claimed, told to Stripe, marked; and how they compare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from konstruct.database import plans, subscriptions
from konstruct.database.pool import Database, TenantConnection
from konstruct.errors import BillUnsettled
from konstruct.metering import IDENTIFIER_SECONDS, MeterErrors, MeterEvent
from konstruct.subscription import is_live

# Longer than a batch takes when Stripe answers at its slowest.
LEASE = timedelta(minutes=5)
# An hour less than Stripe promises, for clocks that differ.
KNOWN = timedelta(seconds=IDENTIFIER_SECONDS - 3600)
# Longer than Stripe takes usage of the past.
OLDEST = timedelta(days=35)
# A day more than Stripe keeps events.
REPORT_KEPT = timedelta(days=31)

Outcome = Literal["sent", "sending", "refused"]


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one event; `sending`: to be tried again."""

    event: MeterEvent
    outcome: Outcome
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sums:
    """What a meter was to be told of a time; `ledger` is what the ledger says today."""

    customer: str
    event_name: str
    ledger: int
    sent: int
    unsent: int
    refused: int


async def tenants_to_bill(database: Database, since: datetime, now: datetime, nightly: datetime) -> dict[UUID, bool]:
    """Tenants with something to do, and whether they were not reconciled since `nightly`."""
    rows = await database.run("tenants_to_bill", since=since, now=now, nightly=nightly)
    return {row["tenant_id"]: row["reconcile"] for row in rows}


async def derive(database: Database | TenantConnection, tenant: UUID, since: datetime, now: datetime) -> int:
    """New usage becomes meter events; how many."""
    return int(await database.run("derive_meter_events", tenant=tenant, since=since, now=now))


async def check_settled(connection: TenantConnection, now: datetime) -> None:
    """Raise BillUnsettled where a subscription lives, or Stripe lacks usage; else nothing is changed."""
    await derive(connection, connection.tenant, now - OLDEST, now)
    untold = await connection.run("untold_meter_events")
    rows = await subscriptions.within(connection)
    live = [f"{row['id']} ({row['status']})" for row in rows if is_live(row["status"], row["ended_at"])]
    told = []
    if live:
        told.append(
            f"Stripe would go on charging for {', '.join(live)}: cancel it first, at the end of its period, so that "
            "all usage is on its last invoice (`konstruct subscription portal TENANT`, or Stripe's Dashboard)."
        )
    if untold["events"]:
        told.append(
            f"Stripe does not have all usage yet: {untold['units']:,} units in {untold['events']:,} events are "
            "missing. The Biller tells them within minutes; `konstruct bill resend TENANT` repeats what Stripe refused."
        )
    if told:
        raise BillUnsettled(" ".join([*told, "To give both up, say so: `--abandon-billing`, ?abandon_billing=true."]))


async def claim(database: Database, tenant: UUID, now: datetime, limit: int) -> list[MeterEvent]:
    """The right to tell Stripe of these, for LEASE."""
    rows = await database.run("claim_meter_events", tenant=tenant, limit=limit, now=now, lease=LEASE, known=KNOWN)
    return [MeterEvent(**row) for row in rows]


async def mark(database: Database, tenant: UUID, told: Sequence[Told], *, due: datetime, now: datetime) -> None:
    """What became of claimed events; `due`: when to try those again that are to be."""
    await database.run(
        "mark_meter_events",
        tenant=tenant,
        ids=[one.event.id for one in told],
        attempts=[one.event.attempt for one in told],
        states=[one.outcome for one in told],
        errors=[one.error for one in told],
        due=due,
        now=now,
    )


async def doubtful(database: Database, tenant: UUID, now: datetime, settled: datetime) -> list[Mapping[str, Any]]:
    """Doubts that are due: by customer, meter and minute. `settled`: up to when Stripe has added everything up."""
    async with database.tenant(tenant) as connection:
        return list(await connection.run("doubtful_meter_events", now=now, settled=settled))


async def settle(
    database: Database,
    tenant: UUID,
    states: Mapping[UUID, str],
    *,
    due: datetime,
    now: datetime,
    error: str | None = None,
) -> None:
    """Doubts settled as sent or waiting; or doubtful still, for the reason given."""
    await database.run(
        "settle_meter_events", tenant=tenant, ids=list(states), states=list(states.values()), error=error,
        due=due, now=now,
    )  # fmt: skip


async def sums(database: Database, tenant: UUID, begin: datetime, end: datetime) -> list[Sums]:
    """What each meter was to be told of a time."""
    rows = await database.run("meter_sums", tenant=tenant, begin=begin, until=end)
    return [Sums(**row) for row in rows]


async def save_reconciliation(
    database: Database, tenant: UUID, month: date, one: Sums, *, stripe: int, difference_micros: int, now: datetime
) -> None:
    """Keep the last comparison of a month."""
    async with database.tenant(tenant) as connection:
        await connection.run(
            "save_reconciliation", month=month, customer=one.customer, event_name=one.event_name, ledger=one.ledger,
            stripe=stripe, unsent=one.unsent, refused=one.refused, difference=one.ledger - stripe,
            difference_micros=difference_micros, now=now,
        )  # fmt: skip


async def keep_report(database: Database, event: str, type_: str, body: Mapping[str, Any]) -> None:
    """Keep a thin event about meters until it is applied; once, however often it comes."""
    await database.run("keep_meter_report", event=event, type=type_, body=body)


async def reports(database: Database, now: datetime) -> list[Mapping[str, Any]]:
    """Stripe's reports about meters that are due."""
    return list(await database.run("meter_reports", now=now))


async def put_off_report(database: Database, event: str, error: str, *, due: datetime, now: datetime) -> None:
    """One that could not be fetched is tried again at `due`; given up when Stripe cannot have it any more."""
    await database.run("put_off_meter_report", event=event, error=error[:1000], due=due, gone=now - REPORT_KEPT)


async def apply_report(database: Database, event: str, errors: MeterErrors, *, due: datetime) -> int:
    """Refuse the events that a report names and doubt those that it may mean; how many it named of ours."""
    found = 0
    doubted = await _doubted(database, errors)
    for tenant in await subscribers(database):
        # The seconds before an event was marked as sent belong to it as well.
        begin = errors.begin - LEASE
        found += await database.run(
            "doubt_meter_events", tenant=tenant, ids=[id_ for id_, _ in errors.named],
            anews=[anew for _, anew in errors.named], errors=list(errors.named.values()), event_names=doubted, due=due,
            begin=begin, until=errors.end + LEASE,
        )  # fmt: skip
    await database.run("close_meter_report", event=event, count=errors.count, summary=errors.summary)
    return found


async def _doubted(database: Database, errors: MeterErrors) -> list[str]:
    """The meters of events that a report counts and does not name."""
    if not errors.unnamed:
        return []
    if errors.event_name:
        return [errors.event_name]
    return sorted({plan.event_name for plan in (await plans.offered(database)).values()})


async def subscribers(database: Database) -> list[UUID]:
    """Every tenant that subscribes or did."""
    return [row["tenant_id"] for row in await database.run("subscribers")]


async def refused(connection: TenantConnection) -> list[Mapping[str, Any]]:
    """What Stripe refused or is in doubt, the latest first."""
    return list(await connection.run("refused_meter_events"))


async def resend(connection: TenantConnection, now: datetime) -> int:
    """What Stripe refused is told anew; how many."""
    return int(await connection.run("resend_meter_events", tenant=connection.tenant, now=now))

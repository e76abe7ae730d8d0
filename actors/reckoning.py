"""Where our ledger and Stripe's sums meet: doubts settled, reports of errors applied, months compared."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from konstruct.billing.doubt import counted
from konstruct.billing.meters import Meters
from konstruct.database import bills, meter_events, plans
from konstruct.database.meter_events import Sums
from konstruct.database.pool import Database
from konstruct.errors import KonstructError, StripeRefused, StripeUnavailable
from konstruct.metrics import Metrics
from konstruct.plans import Plan

# Stripe adds up behind its answers.
SETTLED = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
LOOK_AGAIN = timedelta(hours=1)
FETCH_AGAIN = timedelta(minutes=1)

log = structlog.get_logger()

Tell = Callable[[UUID, date, Sums, int, int], Awaitable[None]]


class Reckoning:
    """What follows from Stripe's sums."""

    def __init__(self, database: Database, meters: Meters, metrics: Metrics, tell: Tell) -> None:
        """`tell` brings a difference (tenant, month, sums, Stripe's sum, micro-USD) to operators."""
        self._database = database
        self._meters = meters
        self._metrics = metrics
        self._tell = tell

    async def settle_doubts(self, tenant: UUID, now: datetime) -> None:
        """Ask Stripe's sum for each minute with doubtful events. Raises StripeUnavailable."""
        for group in await meter_events.doubtful(self._database, tenant, now, now - SETTLED):
            await self._settle(tenant, group, now)

    async def apply_reports(self, now: datetime) -> None:
        """Fetch reports of errors; one that cannot be fetched waits, and nothing else waits for it."""
        for report in await meter_events.reports(self._database, now):
            try:
                await self._apply(report, now)
            except StripeRefused as refused:
                await self._put_off(report, refused, now + LOOK_AGAIN, now)
            except StripeUnavailable as error:
                await self._put_off(report, error, now + FETCH_AGAIN, now)
                return

    async def reconcile(self, tenant: UUID, now: datetime) -> list[tuple[date, Sums, int, int]]:
        """Compare this month's and the last month's sums; answers and keeps (month, sums, Stripe's sum, micro-USD)."""
        offered = await plans.offered(self._database)
        had = await bills.subscriptions(self._database, tenant)
        compared, total = [], 0
        for month in (_month_before(_first(now)), _first(now)):
            end = min(_first(month + timedelta(days=31)), (now - SETTLED).replace(second=0, microsecond=0))
            for one in await meter_events.sums(self._database, tenant, month, end) if month < end else []:
                stripe = await self._shown(one, month, end)
                plan = _priced_by(one, end, had, offered)
                micros = (one.ledger - stripe) * plan.overage_micros // plan.overage_per
                await meter_events.save_reconciliation(
                    self._database, tenant, month.date(), one, stripe=stripe, difference_micros=micros, now=now
                )
                compared.append((month.date(), one, stripe, micros))
                total += abs(micros)
                if one.ledger != stripe:
                    log.error("ledger and Stripe differ", tenant=tenant, month=str(month.date()), ledger=one.ledger,
                              stripe=stripe, difference_micros=micros)  # fmt: skip
                    await self._tell(tenant, month.date(), one, stripe, micros)
        self._metrics.gauge("konstruct_billing_difference_micros", total)
        return compared

    async def _apply(self, report: Mapping[str, Any], now: datetime) -> None:
        """What a report names is refused, what it may mean is doubted."""
        errors = await self._meters.errors(report["body"])
        found = await meter_events.apply_report(self._database, report["event"], errors, due=now + SETTLED)
        self._metrics.count("konstruct_meter_events_total", "reported", errors.count)
        log.error("Stripe refuses meter events", count=errors.count, named=found, summary=errors.summary)

    async def _put_off(self, report: Mapping[str, Any], error: KonstructError, due: datetime, now: datetime) -> None:
        event, reason = report["event"], str(error)
        log.error("a report of Stripe's about meters cannot be fetched", stripe_event=event, reason=reason)
        await meter_events.put_off_report(self._database, event, reason, due=due, now=now)

    async def _shown(self, one: Sums, begin: datetime, end: datetime) -> int:
        try:
            return await self._meters.total(one.event_name, one.customer, begin, end)
        except StripeRefused as refused:
            # No such meter or customer: nothing was counted there, and nothing will be.
            log.warning("no sum of Stripe's", customer=one.customer, meter=one.event_name, reason=str(refused))
            return 0

    async def _settle(self, tenant: UUID, group: Mapping[str, Any], now: datetime) -> None:
        minute: datetime = group["minute"]
        ids, due = group["ids"], now + LOOK_AGAIN
        try:
            shown = await self._meters.total(group["event_name"], group["customer"], minute, minute + MINUTE)
        except StripeRefused as refused:
            states = dict.fromkeys(ids, "doubtful")
            await meter_events.settle(self._database, tenant, states, due=due, now=now, error=str(refused))
            return
        chosen = counted(group["doubtful_values"], group["sent"], shown)
        if chosen is None:
            error = f"Stripe shows {shown} for {minute:%Y-%m-%d %H:%M}, of which {group['sent']} is certain."
            log.error("meter events in doubt", tenant=tenant, count=len(ids), reason=error)
            states = dict.fromkeys(ids, "doubtful")
            await meter_events.settle(self._database, tenant, states, due=due, now=now, error=error)
            return
        states = {id_: "sent" if there else "waiting" for id_, there in zip(ids, chosen, strict=True)}
        await meter_events.settle(self._database, tenant, states, due=now, now=now)


def _priced_by(one: Sums, end: datetime, had: Sequence[Mapping[str, Any]], offered: Mapping[str, Plan]) -> Plan:
    """The last plan of that time that the customer was billed by on this meter; several plans may share it."""
    metered = {name: plan for name, plan in offered.items() if plan.event_name == one.event_name}
    own = (row["plan"] for row in had if row["customer"] == one.customer and row["started_at"] < end)
    # None, where the subscription to it is known no more: the unit is that of all.
    return metered[next((name for name in own if name in metered), next(iter(metered)))]


def _first(at: datetime) -> datetime:
    return datetime(at.year, at.month, 1, tzinfo=UTC)


def _month_before(first: datetime) -> datetime:
    return _first(first - timedelta(days=1))

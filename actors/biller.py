"""Tells Stripe what was used: from rows, in batches, each event once whatever fails; compares the sums each night."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from actors.reckoning import Reckoning
from konstruct.billing.meters import Meters
from konstruct.database import meter_events
from konstruct.database.meter_events import OLDEST, Told
from konstruct.database.pool import Database
from konstruct.errors import KonstructError, StripeRefused, StripeUnavailable
from konstruct.failpoints import Failpoint, disarmed
from konstruct.metering import MeterEvent
from konstruct.metrics import Metrics

ROUND_SECONDS = 5.0
# Stripe takes one call at a time for each customer and meter, and tenants beside each other.
BATCH, TENANTS_AT_ONCE = 25, 8
# A commit may come so much later than the time it bears; more than that, the nightly look finds.
OVERLAP = timedelta(minutes=15)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 300.0
NIGHTLY_HOUR = 3

log = structlog.get_logger()


class Biller:
    """All state is in PostgreSQL: a Biller that dies is followed by one that goes on where it was."""

    def __init__(
        self,
        database: Database,
        meters: Meters,
        reckoning: Reckoning,
        metrics: Metrics,
        *,
        now: Callable[[], float] = time.time,
        failpoint: Failpoint = disarmed,
        remind: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """`now`: Unix seconds; `remind`: what else falls due with time, once a round."""
        self._database = database
        self._meters = meters
        self._reckoning = reckoning
        self._metrics = metrics
        self._now = now
        self._reach = failpoint
        self._remind = remind
        self._derived_to: datetime | None = None
        self._failures = 0
        self._paused_until = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; what was claimed is another's after its lease."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def check_health(self) -> None:
        """Raise RuntimeError if the work has ended."""
        if self._task is None or self._task.done():
            raise RuntimeError("Billing has ended.")

    async def drain_once(self) -> bool:
        """One round over all tenants with something to do; whether there is more. Raises KonstructError."""
        now = self._moment()
        since = (self._derived_to or now - OLDEST) - OVERLAP
        tenants = await meter_events.tenants_to_bill(self._database, since, now, self._night(now))
        gate = asyncio.Semaphore(TENANTS_AT_ONCE)

        async def bill(tenant: UUID, *, reconcile: bool) -> bool:
            async with gate:
                return await self._bill(tenant, since, reconcile=reconcile)

        work = [bill(tenant, reconcile=night) for tenant, night in tenants.items()]
        done = await asyncio.gather(*work, return_exceptions=True)
        if not self._paused:
            await self._reckoning.apply_reports(now)
        for failure in done:
            if isinstance(failure, BaseException):
                raise failure
        self._derived_to = now
        return any(done)

    async def _run(self) -> None:
        while True:
            more = await self._attempt(self.drain_once)
            if self._remind is not None:
                await self._attempt(self._remind)
            await asyncio.sleep(0 if more else ROUND_SECONDS)

    async def _attempt(self, work: Callable[[], Awaitable[object]]) -> bool:
        try:
            return bool(await work())
        except KonstructError as error:
            log.warning("billing waits", reason=str(error))
            return False

    async def _bill(self, tenant: UUID, since: datetime, *, reconcile: bool) -> bool:
        # Not the round's time: in a long round a period may close meanwhile.
        now = self._moment()
        await meter_events.derive(self._database, tenant, now - OLDEST if reconcile else since, now)
        self._reach("meter_derived")
        if self._paused:
            return False
        claimed = await meter_events.claim(self._database, tenant, now, BATCH)
        self._reach("meter_claimed")
        if claimed:
            await self._tell_all(tenant, claimed)
        try:
            if not self._paused:
                await self._reckoning.settle_doubts(tenant, now)
            if reconcile and not self._paused and len(claimed) < BATCH:
                await self._reckoning.reconcile(tenant, now)
        except StripeUnavailable as error:
            self._pause(error)
        return len(claimed) == BATCH and not self._paused

    async def _tell_all(self, tenant: UUID, claimed: list[MeterEvent]) -> None:
        told = []
        try:
            for event in claimed:
                told.append(await self._tell(tenant, event))
                self._reach("meter_sent")
            self._failures = 0
        except StripeUnavailable as error:
            self._pause(error)
            told += [Told(event, "sending", str(error)) for event in claimed[len(told) :]]
        due = datetime.fromtimestamp(max(self._now(), self._paused_until), UTC)
        await meter_events.mark(self._database, tenant, told, due=due, now=self._moment())
        self._reach("meter_marked")

    async def _tell(self, tenant: UUID, event: MeterEvent) -> Told:
        if self._paused:
            raise StripeUnavailable
        try:
            new = await self._meters.tell(event)
        except StripeRefused as refused:
            log.warning("meter event refused", tenant=tenant, turn=event.id, reason=str(refused))
            self._metrics.count("konstruct_meter_events_total", "refused")
            return Told(event, "refused", str(refused))
        self._metrics.count("konstruct_meter_events_total", "sent" if new else "known")
        return Told(event, "sent")

    @property
    def _paused(self) -> bool:
        return self._now() < self._paused_until

    def _pause(self, error: StripeUnavailable) -> None:
        if self._paused:
            return
        seconds = min(FIRST_PAUSE_SECONDS * 2**self._failures, LONGEST_PAUSE_SECONDS)
        self._failures += 1
        self._paused_until = self._now() + seconds
        log.warning("Stripe is left alone for a while", wait_seconds=seconds, reason=str(error))

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)

    def _night(self, now: datetime) -> datetime:
        night = now.replace(hour=NIGHTLY_HOUR, minute=0, second=0, microsecond=0)
        return night if night <= now else night - timedelta(days=1)

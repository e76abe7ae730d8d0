"""The Biller as a Serve deployment of one replica; should there be two for a moment, leases keep them apart."""

import asyncio
from datetime import date
from uuid import UUID

from actors.biller import Biller
from actors.ray_metrics import RayMetrics
from actors.reckoning import Reckoning
from actors.wiring import failpoint_for
from konstruct import logs, notice
from konstruct.billing.meters import Meters
from konstruct.billing.reminding import remind
from konstruct.billing.stripe_api import StripeApi
from konstruct.database import operators
from konstruct.database.meter_events import Sums
from konstruct.database.pool import Database
from konstruct.settings import Settings
from konstruct.vault import Vault


class ServedBiller:
    """Bills what everybody else uses. Exists only where a key of Stripe's is set."""

    def __init__(self) -> None:
        """Begin with the event loop."""
        settings = Settings.from_environment()
        logs.configure(settings.log_level)
        self._database = Database(settings.database_url or "", 2)
        self._vault = Vault(settings.master_keys)
        meters, metrics = Meters(StripeApi.of(settings)), RayMetrics()
        self._biller = Biller(
            self._database,
            meters,
            Reckoning(self._database, meters, metrics, self._tell),
            metrics,
            failpoint=failpoint_for(settings),
            remind=lambda: remind(self._database, self._vault),
        )
        self._task = asyncio.get_running_loop().create_task(self._start())

    async def _start(self) -> None:
        await self._database.start()
        await self._biller.start()

    def check_health(self) -> None:
        """Serve replaces the replica when nobody bills any more."""
        if self._task.done():
            self._task.result()
            self._biller.check_health()

    async def _tell(self, tenant: UUID, month: date, sums: Sums, stripe: int, micros: int) -> None:
        text = notice.books_differ(f"{month:%Y-%m}", sums.ledger, stripe, sums.refused, micros)
        # Told once for each difference, not each night.
        key = f"books:{month}:{sums.event_name}:{sums.ledger - stripe}"
        await operators.notify(self._database, self._vault, tenant, key, text)

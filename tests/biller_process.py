"""A Biller as a process that can be killed: `python -m tests.biller_process STRIPE_URL KEY AHEAD_SECONDS`."""

import asyncio
import sys
import time
from typing import Any

from actors.biller import Biller
from actors.reckoning import Reckoning
from actors.wiring import failpoint_for
from konstruct.billing.meters import Meters
from konstruct.billing.stripe_api import StripeApi
from konstruct.database.pool import Database
from konstruct.metrics import Unmeasured
from konstruct.settings import Settings


async def main() -> None:
    url, key, ahead = sys.argv[1], sys.argv[2], float(sys.argv[3])
    settings = Settings.from_environment()
    database = Database(settings.database_url or "", 2)
    await database.start()
    meters = Meters(StripeApi(url, key, retries=0))

    async def tell(*_difference: Any) -> None:
        pass

    biller = Biller(
        database, meters, Reckoning(database, meters, Unmeasured(), tell), Unmeasured(),
        now=lambda: time.time() + ahead, failpoint=failpoint_for(settings),
    )  # fmt: skip
    await biller.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

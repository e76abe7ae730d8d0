"""The simulated Stripe: one HTTP server with the API, the hosted pages, the clock, the faults and the webhooks."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from aiohttp import web

from simulator.control import Control, answered
from simulator.delivery import Courier
from simulator.faults import Fault
from simulator.stripe import meters
from simulator.stripe.account import Account
from simulator.stripe.admin import ACTS, Admin
from simulator.stripe.api import StripeApi
from simulator.stripe.calendar import Calendar
from simulator.stripe.notifier import Notifier
from simulator.stripe.options import Options
from simulator.stripe.pages import Pages
from simulator.stripe.store import Store, Thing
from simulator.stripe.world import World
from simulator.vendor import Vendor

# Stripe tries again for three days, ever more rarely.
RETRY_SECONDS = (60.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, *([43_200.0] * 4))
ACK_DEADLINE_SECONDS = 20.0


class StripeSimulator(Vendor):
    """`async with StripeSimulator(webhook=…) as stripe:` serves the API at `stripe.url` meanwhile."""

    SEND_METHOD = "billing.meter_events.create"

    def __init__(
        self,
        account: Account | None = None,
        *,
        webhook: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
        retry_scale: float = 1.0,
        webhook_deadline: float = ACK_DEADLINE_SECONDS,
        faults: Sequence[Fault] = (),
        seed: int = 0,
        **options: Any,
    ) -> None:
        """Take times in seconds; `retry_scale` 0.001 turns Stripe's hour into 3.6 s. `options`: see `Options`."""
        waits = [seconds * retry_scale for seconds in retry_seconds]
        super().__init__(Courier(webhook, waits, webhook_deadline), host, port, faults, seed)
        self.account = account or Account()
        self.options = Options(**options)
        self.calendar = Calendar()
        self.clock = self.calendar
        self.notifier = Notifier(self.courier, self.account, self.options)
        self.world = World(self.account, Store(), self.clock, self.options, self.notifier)
        self.world.usage = partial(meters.used, self.world)
        self.calendar.follow(self.world)
        self.api = StripeApi(self.world, self.calendar, self.faults)
        self.admin = Admin(self.world)
        self.pages = Pages(self.world, self.admin)
        self.control = Control(self, self.api.gate)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Register the API, the pages and the control endpoints."""
        self.pages.add_routes(router)
        done = {act: getattr(self.admin, act) for act in ACTS}
        done |= {"options": self.set_options, "settle": self.settle, "meter_errors": self.report_meter_errors}
        self.control.add_routes(router, {"objects": self._list_objects}, done)
        self.api.add_routes(router)

    async def start(self) -> None:
        """Listen, and know the address that pages have."""
        await super().start()
        self.world.address = self.address

    def open(self) -> None:
        """Let hangs hang."""
        self.api.gate.open()

    def close(self) -> None:
        """End hangs and event streams."""
        self.api.gate.close()
        self.control.close()

    async def stop(self) -> None:
        """Send no more events, either."""
        await self.notifier.stop()
        await super().stop()

    @property
    def url(self) -> str:
        """Root of the API, as KONSTRUCT_STRIPE_API_URL wants it."""
        return self.address

    def objects(self, kind: str) -> list[Thing]:
        """Return all objects of a kind ("event", "subscription", "invoice"), oldest first, as they are now."""
        return [self.world.store.expand(thing, []) for thing in self.world.store.all(kind)]

    async def settle(self) -> dict[str, Any]:
        """Wait until every event so far was sent once."""
        await self.notifier.settle()
        return {}

    def report_meter_errors(self) -> list[Thing]:
        """Tell the webhook what was wrong with meter events since the last time."""
        return meters.report(self.world)

    def set_options(self, **options: Any) -> dict[str, Any]:
        """Change options while it runs and return them all; raises ValueError for one that is not there."""
        for name, value in options.items():
            if not hasattr(self.options, name):
                raise ValueError(f"there is no option {name}")
            setattr(self.options, name, value)
        return {"options": asdict(self.options)}

    def reset(self) -> None:
        """Forget all objects, cards, keys, deliveries, faults and counts; the server stays up."""
        super().reset()
        self.world.store.clear()
        self.world.cards.clear()
        self.notifier.clear()
        self.api.answers.clear()
        self.api.calls.clear()

    async def _list_objects(self, request: web.Request) -> web.Response:
        return answered({"objects": self.objects(request.query["kind"])})

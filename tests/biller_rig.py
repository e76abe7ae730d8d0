"""A Biller before a real PostgreSQL and the simulated Stripe, with tenants that subscribe and use something."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg

from actors.biller import Biller
from actors.reckoning import Reckoning
from konstruct import identity
from konstruct.billing.meters import Meters
from konstruct.billing.stripe_api import StripeApi
from konstruct.database import meter_events, plans
from konstruct.database.meter_events import Sums
from konstruct.database.pool import Database
from konstruct.failpoints import Failpoint, disarmed
from konstruct.metrics import Unmeasured
from konstruct.plans import Plan
from simulator import StripeSimulator
from tests.billing import sdk
from tests.metering import EVENT_NAME, Metered, subscribed

ACME, GLOBEX = identity.tenant_id("acme"), identity.tenant_id("globex")


@dataclass
class BillingRig:
    """Time is the simulated Stripe's."""

    url: str
    database: Database
    stripe: StripeSimulator
    biller: Biller
    reckoning: Reckoning
    metered: dict[UUID, Metered] = field(default_factory=dict)
    told: list[tuple[UUID, date, Sums, int, int]] = field(default_factory=list)

    async def subscribe(self, tenant: UUID, started: datetime | None = None) -> Metered:
        """Through Checkout; what its webhooks would do is done here."""
        if self.metered:
            other = next(iter(self.metered.values()))
            client = sdk(self.stripe)
            have = Metered(await _customer(client), "", other.meter, other.fee_price, other.usage_price)
        else:
            have = await subscribed(self.stripe, sdk(self.stripe))
        self.metered[tenant] = have
        plan = Plan(
            name="team", monthly_fee_micros=49_000_000, unit="micros", included=1_000_000, overage_micros=1_250_000,
            overage_per=1_000_000, event_name=EVENT_NAME, fee_price=have.fee_price, usage_price=have.usage_price,
        )  # fmt: skip
        await plans.keep(self.database, [plan])
        begun = started or self.now() - timedelta(days=1)
        self.execute(
            "insert into subscriptions (tenant_id, id, customer, plan, status, started_at, period_start_at,"
            " observed_at) values (%s, 'sub', %s, 'team', 'active', %s, %s, now())",
            tenant, have.customer, begun, begun,
        )  # fmt: skip
        return have

    def use(self, tenant: UUID, micros: int, at: datetime | None = None, tokens: int = 10) -> UUID:
        """One turn of a tenant."""
        turn, conversation = uuid4(), identity.conversation_id(tenant, "slack", "x")
        self.execute(
            "insert into conversations (tenant_id, id, shard, channel, address) values (%s, %s, 1, 'slack', '{}')"
            " on conflict do nothing",
            tenant, conversation,
        )  # fmt: skip
        self.execute(
            "insert into usage (tenant_id, turn_id, conversation_id, employee_id, model, calls, prompt_tokens,"
            " completion_tokens, cost_micros, created_at) values (%s, %s, %s, %s, 'gpt', 1, %s, 5, %s, %s)",
            tenant, turn, conversation, uuid4(), tokens, micros, at or self.now(),
        )  # fmt: skip
        return turn

    def charge(self, tenant: UUID, micros: int, at: datetime | None = None) -> None:
        """One message that WhatsApp charges for."""
        moment = at or self.now()
        self.execute(
            "insert into message_charges (tenant_id, id, category, country, delivered, billable, cost_micros,"
            " price_version, created_at, priced_at) values (%s, %s, 'utility', 'DE', true, true, %s, 'v', %s, %s)",
            tenant, uuid4(), micros, moment, moment,
        )  # fmt: skip

    def calls(self, outcome: str) -> int:
        """How often Stripe was told usage, by outcome."""
        return self.stripe.api.calls["billing.meter_events.create", outcome]

    async def drain(self, rounds: int = 100) -> None:
        """Until nothing is left."""
        for _ in range(rounds):
            if not await self.biller.drain_once():
                return
        raise AssertionError("the Biller does not come to an end")

    async def resend(self, tenant: UUID) -> int:
        """An operator has mended what was refused."""
        async with self.database.tenant(tenant) as connection:
            return await meter_events.resend(connection, self.now())

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.stripe.clock.now(), UTC)

    def execute(self, statement: str, *values: Any) -> None:
        with psycopg.connect(self.url) as owner:
            owner.execute(statement.encode(), values)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as owner:
            return owner.execute(statement.encode(), values).fetchall()

    def states(self) -> dict[str, int]:
        return dict(self.rows("select state, count(*) from meter_events group by 1"))

    def counted(self, tenant: UUID = ACME) -> int:
        """What Stripe has counted for a tenant, ever."""
        events = self.stripe.objects("billing.meter_event")
        who = self.metered[tenant].customer
        mine = [one for one in events if one["payload"]["stripe_customer_id"] == who and not one["error"]]
        return sum(int(one["payload"]["value"]) for one in mine)

    def ledger(self, tenant: UUID = ACME) -> int:
        sums = "select coalesce(sum(cost_micros), 0)::bigint from {} where tenant_id = %s"
        return sum(self.rows(sums.format(table), tenant)[0][0] for table in ("usage", "message_charges"))


async def _customer(client: Any) -> str:
    from tests.billing import customer

    return await customer(client)


def biller(
    database: Database, stripe: StripeSimulator, told: list[Any], failpoint: Failpoint = disarmed
) -> tuple[Biller, Reckoning]:
    meters = Meters(StripeApi(stripe.url, stripe.account.secret_key, retries=0))

    async def tell(*difference: Any) -> None:
        told.append(difference)

    reckoning = Reckoning(database, meters, Unmeasured(), tell)
    return Biller(database, meters, reckoning, Unmeasured(), now=stripe.clock.now, failpoint=failpoint), reckoning


@asynccontextmanager
async def billing_rig(database_url: str) -> AsyncIterator[BillingRig]:
    """Acme and globex exist; nobody subscribes yet."""
    database = Database(database_url, 4)
    await database.start()
    async with StripeSimulator(retry_seconds=()) as stripe:
        told: list[Any] = []
        one, reckoning = biller(database, stripe, told)
        rig = BillingRig(database_url, database, stripe, one, reckoning, told=told)
        for tenant, name in ((ACME, "acme"), (GLOBEX, "globex")):
            rig.execute("insert into tenants (id, name) values (%s, %s)", tenant, name)
        yield rig
    await database.stop()

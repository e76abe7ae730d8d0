"""The rig with a simulated Stripe at its edge, and tenant acme as its customer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from stripe import StripeClient

from konstruct import tenant_file
from konstruct.database import tenants
from konstruct.identity import tenant_id
from konstruct.vault import Vault
from simulator import StripeSimulator
from tests.billing import checkout, customer, plan, sdk, sell
from tests.rig import APP, TENANT, Rig, rig

ACME = tenant_id("acme")
OPERATORS = "C0OPS"
STATE = """select id, customer, plan, status, started_at, ended_at, period_start_at, period_end_at, trial_ends_at,
           cancels_at, overdue_at, suspends_at, observed_at from subscriptions order by id"""


@dataclass
class BillingRig:
    """One installation that follows one Stripe account."""

    rig: Rig
    stripe: StripeSimulator
    client: StripeClient
    url: str

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as owner:
            return owner.execute(statement.encode()).fetchall()

    def state(self) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Everything that follows from events, but for how it came about."""
        return self.rows(STATE), self.rows("select tenant_id, id, suspends_at from stripe_customers")

    def statuses(self) -> list[str]:
        return [status for (status,) in self.rows("select status from subscriptions order by started_at, id")]

    def notices(self) -> list[str]:
        return [text for (text,) in self.rows("select text from outbox where part = 1000 order by created_at, id")]

    async def subscribe(self, tenant: UUID = ACME, price: str = "", **subscription: Any) -> str:
        """Through Checkout, as Konstruct would begin it; the subscription's id. Without a `price`, to a new plan."""
        noted = {"konstruct_tenant": str(tenant)}
        if not price:
            price = await plan(self.client)
            await sell(self.rig.database, self.stripe)
        session = await checkout(self.client, await customer(self.client), price, metadata=noted, **subscription)
        done = self.stripe.admin.complete_checkout(session.id)
        await self.stripe.settle()
        return str(done["subscription"])


@asynccontextmanager
async def billing_rig(
    database_url: str,
    home: Path,
    *,
    hosts: int = 0,
    grace: timedelta = timedelta(days=7),
    chosen: dict[str, object] | None = None,
    **options: Any,
) -> AsyncIterator[BillingRig]:
    """`options`: how the double behaves; `chosen`: other settings."""
    simulated = StripeSimulator(**({"retry_seconds": (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)} | options))
    async with simulated as stripe:
        settings: dict[str, object] = {
            "stripe_api_url": stripe.url,
            "stripe_secret_key": stripe.account.secret_key,
            "stripe_webhook_secrets": stripe.account.webhook_secrets,
            "billing_grace_hours": int(grace.total_seconds() // 3600),
        }
        async with rig(database_url, home, hosts=hosts, chosen=settings | (chosen or {})) as k:
            stripe.courier.webhook = f"{k.url}/stripe/webhook"
            await with_operators(k)
            yield BillingRig(k, stripe, sdk(stripe), database_url)


async def with_operators(k: Rig) -> None:
    """Acme's operators are told in a Slack channel."""
    text = TENANT.format(tenant="acme", app=APP, quiet=0) + f"operators: {{slack_channel: {OPERATORS}}}\n"
    await tenants.apply_tenant(k.database, tenant_file.parse(text, {}), Vault(k.settings.master_keys))

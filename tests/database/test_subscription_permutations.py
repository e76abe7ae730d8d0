"""Stripe's events in a thousand orders, brought into effect as the webhook does it, on PostgreSQL."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
from cryptography.fernet import Fernet

from konstruct.billing.event import event_of
from konstruct.billing.following import STATES, Follower
from konstruct.billing.stripe_api import StripeApi
from konstruct.database.pool import Database
from konstruct.failpoints import disarmed
from konstruct.identity import tenant_id
from konstruct.vault import Vault
from simulator import StripeSimulator
from tests.billing import sell
from tests.stripe_history import live

PERMUTATIONS = 1000
# Events that lie side by side in history, of which some share their second.
TOGETHER = 4
HASTY = ("unpaid", "past_due", "unpaid", "past_due", "active")
HASTY_ORDERS = 30
AT_ONCE = 8
Event = dict[str, Any]


@dataclass
class Orders:
    """Each order of events gets a tenant of its own, with a customer of its own."""

    database: Database
    follower: Follower

    async def outcome(self, name: str, events: Sequence[Event]) -> list[Any]:
        """Where these events lead, in this order, for a tenant that had none before."""
        tenant = tenant_id(name)
        async with self.database.tenant(tenant) as connection:
            await connection.run("save_tenant", name=name, quiet_seconds=0, escalation={}, operators={})
        for event in events:
            assert await self.follower.follow(event_of(addressed(event, name, tenant))) in ("kept", "seen")
        async with self.database.tenant(tenant) as connection:
            rows = [dict(row) | {"customer": ""} for row in await connection.run("subscriptions")]
            customer = await connection.run("stripe_customer")
        return [*sorted(rows, key=lambda row: str(row["id"])), customer["suspends_at"]]


def addressed(event: Event, name: str, tenant: UUID) -> Event:
    """The same event, of this tenant's customer."""
    customer = event["data"]["object"]["customer"]
    text = orjson.dumps(event).decode().replace(customer, f"{customer}_{name}")
    return dict(orjson.loads(text.replace(str(tenant_id("acme")), str(tenant))))


def orders(events: Sequence[Event], chance: random.Random) -> Iterator[tuple[int, list[Event]]]:
    """Orders of events that lie together, half of them with one twice; and which in history they begin with."""
    for begin in itertools.cycle(range(len(events) - TOGETHER + 1)):
        some = list(events[begin : begin + TOGETHER])
        some += chance.choices(some, k=chance.randrange(2))
        chance.shuffle(some)
        yield begin, some


@asynccontextmanager
async def account(database_url: str) -> AsyncIterator[tuple[Orders, list[Event]]]:
    """An account with a history, of which no event was delivered; those that concern subscriptions."""
    async with StripeSimulator(hold_events=True, retry_seconds=()) as stripe:
        await live(stripe, {"konstruct_tenant": str(tenant_id("acme"))})
        database = Database(database_url, AT_ONCE)
        await database.start()
        await sell(database, stripe)
        vault = Vault((Fernet.generate_key().decode(),))
        # Five changes within one second, of which only Stripe knows the last.
        [last] = [one["id"] for one in stripe.objects("subscription") if one["status"] != "canceled"]
        for status in HASTY:
            stripe.admin.set_status(last, status)
        api = StripeApi(stripe.url, stripe.account.secret_key)
        follower = Follower(database, vault, api, grace=timedelta(days=7), failpoint=disarmed)
        try:
            yield (
                Orders(database, follower),
                [event for event in stripe.objects("event") if event["type"].startswith(STATES)],
            )
        finally:
            await database.stop()


async def test_a_thousand_orders_with_duplicates_lead_where_history_led(database_url: str) -> None:
    async with account(database_url) as (town, events):
        begins = range(len(events) - TOGETHER + 1)
        wanted = [await town.outcome(f"sorted-{n}", events[n : n + TOGETHER]) for n in begins]
        room = asyncio.Semaphore(AT_ONCE)

        async def check(number: int, begin: int, order: list[Event]) -> None:
            async with room:
                found = await town.outcome(f"shuffled-{number}", order)
                assert found == wanted[begin], [(event["id"], event["type"]) for event in order]

        tried = enumerate(itertools.islice(orders(events, random.Random(30)), PERMUTATIONS))
        async with asyncio.TaskGroup() as group:
            for number, (begin, order) in tried:
                group.create_task(check(number, begin, order))
        with psycopg.connect(database_url) as owner:
            kept = owner.execute("select count(*) from stripe_events group by tenant_id").fetchall()
        assert set(kept) == {(TOGETHER,)}, "each event took effect once"


async def test_of_changes_within_a_second_the_last_one_stands_in_whatever_order_they_come(database_url: str) -> None:
    async with account(database_url) as (town, events):
        hasty, chance = events[-len(HASTY) :], random.Random(30)
        assert len({event["created"] for event in hasty}) == 1
        for number in range(HASTY_ORDERS):
            chance.shuffle(hasty)
            [subscription, _] = await town.outcome(f"hasty-{number}", hasty)
            assert subscription["status"] == HASTY[-1], [event["id"] for event in hasty]

"""Whatever happens in whatever order, Stripe's sum is the ledger's in the end: random faults, crashes, outages."""

import random
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from simulator import Fault
from tests.biller_rig import ACME, GLOBEX, BillingRig, biller, billing_rig

SEEDS = 20
STEPS = 25
KINDS = ("close_after_delivery", "close_before_delivery", "server_error", "rate_limit")
HOUR = 3600


class Killed(BaseException):
    """The process is gone."""


@pytest_asyncio.fixture
async def k(database_url: str) -> AsyncIterator[BillingRig]:
    async with billing_rig(database_url) as rig:
        yield rig


async def live(k: BillingRig, chance: random.Random) -> None:
    """One thing that happens."""
    match chance.choice(("use", "use", "use", "charge", "round", "round", "fault", "crash", "down", "wait", "days")):
        case "use":
            for _ in range(chance.randint(1, 8)):
                k.use(chance.choice((ACME, GLOBEX)), chance.choice((0, 1, 3, 3, 999, 10**6)))
        case "charge":
            k.charge(ACME, chance.choice((0, 7, 55_000)))
        case "round":
            await k.biller.drain_once()
        case "fault":
            times, chances = chance.randint(1, 5), chance.choice((0.3, 1.0))
            fault: Any = Fault(chance.choice(KINDS), "billing.meter_events.create", times=times, probability=chances)  # type: ignore[arg-type]
            k.stripe.faults.rules.append(fault)
        case "crash":
            await crash(k, chance)
        case "down":
            k.stripe.set_options(down_until=k.stripe.clock.now() + chance.choice((30, HOUR, 30 * HOUR)))
        case "wait":
            k.stripe.clock.advance(chance.choice((10, 301, HOUR)))
        case "days":
            k.stripe.clock.advance(chance.choice((25 * HOUR, 3 * 24 * HOUR)))


async def crash(k: BillingRig, chance: random.Random) -> None:
    """A Biller dies at a random step; another one begins."""
    steps = chance.randint(1, 30)

    def reach(_name: str) -> None:
        nonlocal steps
        steps -= 1
        if steps == 0:
            raise Killed

    dying, _ = biller(k.database, k.stripe, [], reach)
    with suppress(Killed):
        await dying.drain_once()
    k.biller, k.reckoning = biller(k.database, k.stripe, k.told)


async def recover(k: BillingRig) -> None:
    k.stripe.faults.rules.clear()
    k.stripe.set_options(down_until=0.0)
    for _ in range(12):
        k.stripe.clock.advance(1900)
        await k.drain()


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_the_ledgers_sum_is_stripes_sum(k: BillingRig, seed: int) -> None:
    chance = random.Random(seed)
    await k.subscribe(ACME)
    await k.subscribe(GLOBEX)
    for _ in range(STEPS):
        await live(k, chance)
    await recover(k)
    assert (k.counted(ACME), k.counted(GLOBEX)) == (k.ledger(ACME), k.ledger(GLOBEX))
    assert set(k.states()) <= {"sent"}
    await k.reckoning.reconcile(ACME, k.now())
    k.stripe.clock.advance(HOUR)
    assert all(sums.ledger == stripe for _, sums, stripe, _ in await k.reckoning.reconcile(ACME, k.now()))

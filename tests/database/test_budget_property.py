"""Whatever turns cost, wherever hosts die: never more is spent than the budget, and the ledger is what settled."""

import asyncio
import os
from contextlib import AsyncExitStack, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from konstruct.database.pool import Database
from tests.budget_town import STEPS, BudgetTown, Planned
from tests.postgres import Server

HOSTS = 3
PLANNED = st.builds(
    Planned,
    conversation=st.integers(0, 3),
    worst=st.integers(0, 400),
    share=st.sampled_from([0, 1, 50, 99, 100, 100, 300]),
    dies=st.sampled_from(STEPS),
    turns=st.sampled_from([False] * 11 + [True]),
)
CAPS = st.one_of(st.none(), st.integers(0, 2_000))
EXAMPLES = int(os.environ.get("BUDGET_EXAMPLES", "25"))


async def play(town: BudgetTown, plan: list[Planned], caps: dict[str, int | None], *, abandon: bool) -> None:
    watching = asyncio.create_task(watch(town, caps))
    await asyncio.gather(*(town.take(number, planned, abandon=abandon) for number, planned in enumerate(plan)))
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    within(town, caps)
    seen = town.look()
    assert seen["ledger"][0] == town.settled
    assert "employee" not in seen or seen["employee"][0] == seen["tenant"][0]
    # Who was at work as the month turned may belong to either.
    assert town.this_month <= seen["tenant"][0] <= town.settled
    assert town.months or seen["tenant"][0] == town.settled
    assert seen["tenant"][1] == seen["ledger"][1]
    if not abandon:
        assert seen["ledger"][1] == 0
    # What crashed turns held is free after a while, and what is held then is what one turn holds.
    town.expire()
    await town.take(len(plan), Planned(0, 0, 0, "never"), abandon=False)
    assert town.look()["tenant"][1] == town.look()["ledger"][1] == 0


async def watch(town: BudgetTown, caps: dict[str, int | None]) -> None:
    while True:
        await asyncio.to_thread(within, town, caps)
        await asyncio.sleep(0.02)


def within(town: BudgetTown, caps: dict[str, int | None]) -> None:
    """Also what is only reserved is within, so that it cannot become more by anything but what providers overcount."""
    for scope, (_, _, both) in town.look().items():
        cap = None if scope == "ledger" else caps[scope]
        assert cap is None or both <= cap + town.excess, (scope, both, cap, town.excess)


async def overspend(url: str, plan: list[Planned], caps: dict[str, int | None], *, abandon: bool) -> int:
    """Raises AssertionError where more is spent or reserved than may be; answers how many turns were stopped."""
    async with AsyncExitStack() as until:
        hosts = [Database(url, 4) for _ in range(HOSTS)]
        for host in hosts:
            await host.start()
            until.push_async_callback(host.stop)
        town = BudgetTown(url, hosts)
        await town.found({scope: {"micros": cap, "tokens": None} for scope, cap in caps.items()})
        await play(town, plan, caps, abandon=abandon)
        return town.stopped


def test_no_concurrent_turns_costs_and_crashes_spend_more_than_the_budget(database_url: str) -> None:
    stops: list[int] = []

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        plan=st.lists(PLANNED, min_size=1, max_size=24),
        abandon=st.booleans(),
        caps=st.fixed_dictionaries({"tenant": CAPS, "employee": CAPS, "conversation": CAPS}),
    )
    def holds(plan: list[Planned], caps: dict[str, int | None], *, abandon: bool) -> None:
        stops.append(asyncio.run(overspend(database_url, plan, caps, abandon=abandon)))

    holds()
    assert any(stops)
    assert not all(stops)


def test_the_property_fails_where_two_turns_may_look_at_the_same_room(
    postgres_server: Server, database_url: str
) -> None:
    name = database_url.split("/")[3].split("?", maxsplit=1)[0]
    body = postgres_server.execute("select pg_get_functiondef('reserve_budget'::regproc)", name)[0][0]
    assert "for update;" in body
    slow = body.replace("for update;", ";").replace(
        "  if chosen >= 0 then", "  perform pg_sleep(0.3);\n  if chosen >= 0 then"
    )
    postgres_server.execute(slow, name)
    plan = [Planned(number, 400, 100, "never") for number in range(12)]
    with pytest.raises(AssertionError):
        asyncio.run(
            overspend(database_url, plan, {"tenant": 1_000, "employee": None, "conversation": None}, abandon=False)
        )

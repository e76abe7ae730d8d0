"""Plans in the database: added once, never changed."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from konstruct.database import plans
from konstruct.database.pool import Database
from konstruct.errors import PlansInvalid
from konstruct.plans import Plan

TEAM = Plan(
    name="team", monthly_fee_micros=49_000_000, unit="micros", included=20_000_000, overage_micros=1_250_000,
    overage_per=1_000_000, event_name="konstruct_cost", fee_price="price_fee", usage_price="price_usage",
)  # fmt: skip


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, 1)
    await database.start()
    yield database
    await database.stop()


async def test_a_plan_is_added_once_and_read_back_as_it_was(database: Database) -> None:
    assert await plans.keep(database, [TEAM]) == ["team"]
    assert await plans.keep(database, [TEAM]) == []
    assert await plans.offered(database) == {"team": TEAM}


@pytest.mark.parametrize("changes", [{"included": 1}, {"monthly_fee_micros": 0}, {"usage_price": "price_other"}])
async def test_a_plan_never_changes(database: Database, changes: dict[str, object]) -> None:
    await plans.keep(database, [TEAM])
    with pytest.raises(PlansInvalid, match="new name"):
        await plans.keep(database, [TEAM.model_copy(update=changes)])
    assert await plans.offered(database) == {"team": TEAM}


async def test_a_meter_counts_one_kind_of_unit(database: Database) -> None:
    await plans.keep(database, [TEAM])
    with pytest.raises(PlansInvalid, match="counts micros already"):
        await plans.keep(database, [TEAM.model_copy(update={"name": "other", "unit": "tokens"})])

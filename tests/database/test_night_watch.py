"""The isolation check of every night: when it runs, and how its result is told."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import psycopg
import pytest
import pytest_asyncio

from deployments.isolation import stored
from deployments.isolation.canary import Canary
from deployments.isolation.trial import holes
from deployments.night_watch import NightWatch
from konstruct.database import isolation_checks
from konstruct.database.pool import Database
from konstruct.metrics import Unmeasured


class Noted(Unmeasured):
    """Metrics that a test looks at."""

    def __init__(self) -> None:
        self.holes: list[float] = []

    def gauge(self, name: str, value: float) -> None:
        assert name == "konstruct_isolation_holes"
        self.holes.append(value)


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, 2)
    await opened.start()
    yield opened
    await opened.stop()


@pytest.mark.parametrize(
    ("hour", "age", "runs"),
    [(3, None, 1), (3, "21 hours", 1), (3, "1 hour", 0), (14, None, 0), (14, "30 hours", 0), (14, "49 hours", 1)],
)
async def test_it_runs_once_a_night_and_by_day_only_where_nights_were_missed(
    database_url: str, database: Database, hour: int, age: str | None, runs: int
) -> None:
    calls: list[int] = []
    if age:
        with psycopg.connect(database_url) as owner:
            owner.execute("insert into isolation_checks values (now() - %s::interval, 1, '{}')", [age])
    now = datetime(2026, 11, 27, hour, tzinfo=UTC)
    watch = NightWatch(database, lambda: (calls.append(1) or 7, []), Unmeasured(), lambda: now)
    await watch.look()
    assert len(calls) == runs
    await watch.look()
    assert len(calls) == runs, "a second look finds that it has run"


async def test_a_hole_is_a_metric_and_on_record(database_url: str, database: Database) -> None:
    await database.check_health()  # the hole is made later: else its pool would run nothing at all
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("alter table messages no force row level security")

    def check() -> tuple[int, list[str]]:
        trials = stored.examine(database_url, (Canary(), Canary()))
        return len(trials), holes(trials)

    metrics = Noted()
    await NightWatch(database, check, metrics, lambda: datetime(2026, 11, 27, 3, tzinfo=UTC)).look()
    assert metrics.holes == [1]
    checked = await isolation_checks.last(database)
    assert checked is not None
    assert "messages" in checked.holes[0]
    assert checked.tried > 150

"""A month's budget, where hosts do not agree on the month."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg

from tests.database.test_budgets import ACME, ADA, SECONDS, cheap, limit, rows, spent, town
from tests.rig import Rig
from tests.stub_model import StubModel

__all__ = ["cheap", "town"]


@contextmanager
def in_month(town: Rig, month: str) -> Iterator[Callable[..., Any]]:
    """Somebody for whom it is this month, whatever the others' clocks say."""
    with psycopg.connect(town.settings.database_url or "") as host:
        host.execute("select set_config('app.month', %s, false)", [month])
        host.execute("set role konstruct_app")

        def ask(query: str, *values: Any) -> Any:
            host.execute("select set_config('app.current_tenant', %s, true)", [str(ACME)])
            (answer,) = host.execute(query.encode(), values).fetchone() or (None,)
            host.commit()
            return answer

        yield ask


async def test_who_began_in_the_month_before_does_not_wipe_what_the_new_one_has_spent(
    town: Rig, cheap: StubModel
) -> None:
    await limit(town, cheap, "{}")
    await town.slack.say("hello")
    await town.replies(1, timeout=SECONDS)
    (turn,) = rows(town, "select conversation_id from usage")
    rows(
        town,
        "create or replace function this_month() returns date language sql stable as $$ select coalesce("
        "nullif(current_setting('app.month', true), ''), date_trunc('month', now() at time zone 'utc')::text)::date $$",
    )
    [[new], [old]] = [
        rows(town, f"select (date_trunc('month', now() at time zone 'utc') + interval '{n} month')::date::text m")
        for n in (1, 0)
    ]
    await limit(town, cheap, "{tenant: {usd: 0.0001}}")
    rows(town, "delete from spending")
    rows(town, "update usage set counted = false")
    reserve = "select chosen from reserve_budget(%s, %s, %s, %s, %s, '5 minutes')"
    settle = "select settle_budget(%s, %s, 1, %s, %s, '{\"held\": true}')"
    place = (ACME, turn["conversation_id"], ADA)
    cost = {"cost_micros": 90, "prompt_tokens": 1, "completion_tokens": 0, "employee": str(ADA)}
    first, late = uuid4(), uuid4()
    with in_month(town, new["m"]) as december, in_month(town, old["m"]) as november:
        options = json.dumps([{"micros": 90, "tokens": 1}])
        assert december(reserve, *place, first, options) == 0
        december(settle, ACME, place[1], first, json.dumps(cost))
        assert november(reserve, *place, late, json.dumps([{"micros": 5, "tokens": 1}])) == 0
        november(settle, ACME, place[1], late, json.dumps(cost | {"cost_micros": 5}))
        assert spent(town)[:2] == (95, 2)
        assert rows(town, "select distinct month::text m from spending") == [new]
        assert december(reserve, *place, uuid4(), options) == -1

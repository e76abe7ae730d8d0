"""The whole check of a database: in one transaction that is rolled back, so that nothing of it is ever seen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from deployments.isolation import catalogue, questions, relations
from deployments.isolation.allowed import KEYS
from deployments.isolation.canary import Canary, Planted, act_as, plant
from deployments.isolation.questions import Aim, Question
from deployments.isolation.trial import Trial
from konstruct.database.pool import SCHEMA
from konstruct.errors import DatabaseUnavailable

# Only the canaries' own rows are locked, but a live system must never wait for a check.
STATEMENT_TIMEOUTS = b"set local statement_timeout = '20s'; set local lock_timeout = '2s'"
AIM = b"select (select epoch from shards where shard = 1), (select coalesce(max(id), 1) from inbox)"


def examine(url: str, canaries: tuple[Canary, Canary], queries: Path = SCHEMA / "queries") -> list[Trial]:
    """Every trial, as konstruct_app, by the second canary and others on the first; raises DatabaseUnavailable."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            connection.execute(b"set role konstruct_app")
            with connection.transaction(force_rollback=True):
                connection.execute(STATEMENT_TIMEOUTS)
                return list(_examine(connection, canaries, queries))
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"The check could not reach PostgreSQL, or waited too long: {error}.") from error


def _examine(connection: Any, canaries: tuple[Canary, Canary], queries: Path) -> Iterator[Trial]:
    yield from catalogue.examine(connection)
    foreign, mine = (plant(connection, canary) for canary in canaries)
    for planted in (foreign, mine):
        yield from _refused(planted)
    yield from relations.open_all(connection, mine, foreign)
    aim, asked, seen = _aim(connection, foreign), 0, 0
    for question in [*questions.named_queries(connection, queries), *questions.functions(connection)]:
        if isinstance(question, Question):
            yield questions.ask(connection, question, mine, foreign, aim)
            asked, seen = asked + 1, seen + questions.sees_itself(connection, question, foreign, aim)
        else:
            yield question
    blind = "" if seen else "The check is blind: no query shows even its own tenant the canary."
    yield Trial("query", "all of them", "asked by the tenant itself", f"{seen} of {asked} show it its words", blind)


def _aim(connection: Any, foreign: Planted) -> Aim:
    act_as(connection, foreign.canary.tenant)
    return Aim(*connection.execute(AIM).fetchone())


def _refused(planted: Planted) -> Iterator[Trial]:
    for table, why in planted.refused.items():
        key = why.split(" ", 1)[0]
        if key in KEYS:
            yield Trial("key", key, f"the same row for two tenants in {table}", f"refused: {KEYS[key]}")
        elif "permission denied" in why:
            yield Trial("table", table, "a canary of its own", "no right to write")
        elif "duplicate key" in why:
            hole = f"Unique key {key} on {table} tells one tenant what another has."
            yield Trial("key", key, f"the same row for two tenants in {table}", "a conflict", hole)
        else:
            hole = f"Table {table} was not tried, for the check cannot make a row for it: {why}."
            yield Trial("table", table, "a canary", "none", hole)

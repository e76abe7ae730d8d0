"""Every table, view and sequence that the application can name: opened as nobody, as a stranger, as another tenant."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import psycopg

from deployments.isolation.allowed import RELATIONS
from deployments.isolation.canary import Canary, Planted, act_as, insertion
from deployments.isolation.columns import Table, tables
from deployments.isolation.trial import Trial

READABLE = b"""
  select c.relname::text, c.relkind::text, array(select quote_ident(a.attname) from pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      and has_column_privilege(c.oid, a.attnum, 'select'))
  from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e') order by c.relname"""
STATISTICS = b"""select count(*) from pg_stats where schemaname = 'public' and tablename = any (%s)"""
ACTIVITY = b"""select count(*) from pg_stat_activity where query like %s"""


def open_all(connection: Any, mine: Planted, foreign: Planted) -> Iterator[Trial]:
    """`mine` asks, and nobody, and a stranger without rows; what belongs to `foreign` or to anybody must not show."""
    known = tables(connection)
    for name, kind, columns in connection.execute(READABLE).fetchall():
        if kind == "S":
            yield _sequence(connection, name)
        elif columns:
            yield _read(connection, name, columns, mine, foreign)
        else:
            yield Trial("table", name, "read", "no right to")
        if name in known:
            yield _write(connection, known[name], mine, foreign)
    yield _beside(connection, "statistics", STATISTICS, [list(known)])
    yield _beside(connection, "other sessions' statements", ACTIVITY, [f"%{foreign.canary.said}%"])


def _read(connection: Any, name: str, columns: list[str], mine: Planted, foreign: Planted) -> Trial:
    everything = f"select count(*) from (select {', '.join(columns)} from {name}) x".encode()  # noqa: S608
    traces = [f"%{trace}%" for trace in foreign.canary.traces]
    act_as(connection, None)
    nobody = _count(connection, everything)
    act_as(connection, uuid4())
    stranger = _count(connection, everything)
    act_as(connection, mine.canary.tenant)
    other = _count(connection, everything + b" where x::text like any (%s)", [traces])
    act_as(connection, foreign.canary.tenant)
    own = _count(connection, everything + b" where x::text like any (%s)", [traces])
    saw = f"nobody {nobody}, stranger {stranger}, other tenant {other}, itself {own}"
    hole = ""
    if other or ((nobody or stranger) and name not in RELATIONS):
        hole = f"Relation {name} shows rows of tenants to others ({saw})."
    elif name in foreign.rows and not own and foreign.canary.said in str(foreign.rows[name]):
        hole = f"The check is blind in {name}: its own tenant does not see the canary either."
    return Trial("table", name, "read", saw, hole)


def _count(connection: Any, statement: bytes, arguments: list[Any] | None = None) -> int:
    with connection.transaction():
        return int(connection.execute(statement, arguments).fetchone()[0])


def _write(connection: Any, table: Table, mine: Planted, foreign: Planted) -> Trial:
    act_as(connection, mine.canary.tenant)
    row = foreign.rows.get(table.name)
    if row is None:
        return Trial("table", table.name, "write", "no right to")
    tenant = next(column.name for column in table.columns if column.is_tenant)
    whose = f" where {tenant} = %(foreign)s"
    tried = {
        "insert": insertion(table, row),
        "give away": f"update {table.name} set {tenant} = %(foreign)s where {tenant} = %(mine)s".encode(),  # noqa: S608
        "update": f"update {table.name} set {tenant} = {tenant}{whose}".encode(),  # noqa: S608
        "delete": f"delete from {table.name}{whose}".encode(),  # noqa: S608
    }
    given = row | {"foreign": foreign.canary.tenant, "mine": mine.canary.tenant}
    saw = {verb: _attempt(connection, statement, given, foreign.canary) for verb, statement in tried.items()}
    shown = ", ".join(f"{verb} {what}" for verb, what in saw.items())
    changed = [verb for verb, what in saw.items() if what not in ("refused", "0")]
    hole = f"One tenant can {' and '.join(changed)} rows of another in {table.name} ({shown})." if changed else ""
    return Trial("table", table.name, "write", shown, hole)


def _attempt(connection: Any, statement: bytes, given: dict[str, Any], foreign: Canary) -> str:
    try:
        with connection.transaction(force_rollback=True):
            return str(connection.execute(statement, given).rowcount)
    except psycopg.errors.InsufficientPrivilege:
        return "refused"
    except psycopg.Error as error:
        # A conflict or a violated key would tell what is there.
        shown = str(error) if not foreign.is_in(error) or statement.startswith(b"insert") else "the canary"
        return f"answered {shown.splitlines()[0]}"


def _sequence(connection: Any, name: str) -> Trial:
    with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction(force_rollback=True):
        connection.execute(f"select last_value from {name}".encode())  # noqa: S608
        return Trial("sequence", name, "read", "a number", f"Sequence {name} tells how much all tenants do.")
    return Trial("sequence", name, "read", "refused")


def _beside(connection: Any, subject: str, statement: bytes, arguments: list[Any]) -> Trial:
    count = _count(connection, statement, arguments)
    hole = f"PostgreSQL's {subject} show rows of tenants." if count else ""
    return Trial("server", subject, "read", f"{count} rows", hole)

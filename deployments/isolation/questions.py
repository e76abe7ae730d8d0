"""Every named query and function, asked by one tenant with the ids and names of another, and by nobody."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from deployments.isolation.canary import Canary, Planted, act_as, sample
from deployments.isolation.columns import tables
from deployments.isolation.trial import Trial

_NAMED = re.compile(r"-- name: (\w+)[\^$!<#*]*[^\n]*\n(.*?)(?=-- name:|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")
# Parameters whose type alone does not make a sensible question.
NUMBERS = {"limit": 10, "window": 20, "part": 0, "version": 0, "after": 0, "window_start": 5}
FUNCTIONS = b"""
  select p.oid::regprocedure::text, p.proname::text, p.prosecdef or p.provolatile <> 'v',
    coalesce(p.proargnames[1:p.pronargs], '{}'), array(select format_type(t, null) from unnest(p.proargtypes) t)
  from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
    and p.prorettype <> 'trigger'::regtype and has_function_privilege(p.oid, 'execute')
    and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e') order by 1"""

DEFINERS = b"""select distinct proname::text from pg_proc
               where prosecdef and pronamespace = 'public'::regnamespace and has_function_privilege(oid, 'execute')"""


@dataclass(frozen=True, slots=True)
class Aim:
    """What cannot be told from a parameter's type: the epoch of the canaries' shard, the foreign one's inbox row."""

    epoch: int
    inbox: int


@dataclass(frozen=True, slots=True)
class Question:
    """A statement with named parameters, and their types."""

    name: str
    statement: str
    kinds: dict[str, str]
    in_transaction: bool = False

    def given(self, asking: Canary, aim: Aim) -> dict[str, Any]:
        """Arguments that would hit the other's rows, were the tenant the other."""
        return {name: _argument(name.removeprefix("p_"), kind, asking, aim) for name, kind in self.kinds.items()}


def named_queries(connection: Any, folder: Path) -> Iterator[Question | Trial]:
    """Those that concern tenants; a trial where one reads a tenant's table without naming a tenant."""
    of_tenants = "|".join(tables(connection))
    definers = re.compile(rf"\b({'|'.join(name for (name,) in connection.execute(DEFINERS).fetchall())})\(")
    reads = re.compile(rf"\b(?:from|join|into|update)\s+({of_tenants})\b")
    for path in sorted(folder.glob("*.sql")):
        for name, text in _NAMED.findall(path.read_text()):
            statement = "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip().rstrip(";")
            touched = reads.findall(statement)
            if touched and "current_tenant()" not in statement:
                hole = f"Query {name} reads {touched[0]} and names no tenant; add tenant_id = current_tenant()."
                yield Trial("query", name, "read it", "no tenant", hole)
            kinds = _kinds(connection, statement)
            in_transaction = "Needs a tenant connection" in text
            if touched or in_transaction or {"tenant", "tenants"} & set(kinds) or definers.search(statement):
                yield Question(name, _typed(statement, kinds), kinds, in_transaction)


def functions(connection: Any) -> Iterator[Question]:
    """Every function that the application may call, whoever's rights it runs with."""
    for signature, name, harmless, names, kinds in connection.execute(FUNCTIONS).fetchall():
        named = [given or f"p_{place}" for place, given in enumerate(names)] or [f"p_{n}" for n in range(len(kinds))]
        arguments = ", ".join(f"%({argument})s::{kind}" for argument, kind in zip(named, kinds, strict=False))
        if harmless or any(given.startswith("p_tenant") for given in names):
            statement = f"select * from {name}({arguments})"  # noqa: S608 - names of the catalogue
            yield Question(signature, statement, dict(zip(named, kinds, strict=False)))


def ask(connection: Any, question: Question, mine: Planted, foreign: Planted, aim: Aim) -> Trial:
    """As another tenant, then as nobody; what the foreign one has said must neither show nor change."""
    before = state_of(connection, foreign)
    given = question.given(mine.canary, aim)
    act_as(connection, mine.canary.tenant if question.in_transaction else None)
    other, changed = _answer(connection, question, given, foreign, before)
    act_as(connection, None)
    nobody, _ = _answer(connection, question, given, foreign, before)
    saw = f"other tenant {_shown(other, foreign.canary)}, nobody {_shown(nobody, foreign.canary)}"
    hole = ""
    if foreign.canary.is_in(other) or foreign.canary.is_in(nobody):
        hole = f"{question.name} shows one tenant's words to another or to nobody."
    elif changed:
        hole = f"{question.name} lets one tenant change rows of another."
    return Trial("query", question.name, "asked with the other's ids", saw, hole)


def sees_itself(connection: Any, question: Question, foreign: Planted, aim: Aim) -> bool:
    """Whether the tenant itself is shown its words: else the check could pass because its questions find nothing."""
    act_as(connection, foreign.canary.tenant if question.in_transaction else None)
    answer, _ = _answer(connection, question, question.given(foreign.canary, aim), foreign, "")
    return foreign.canary.is_in(answer)


def state_of(connection: Any, foreign: Planted) -> str:
    """A digest of every row that it has."""
    act_as(connection, foreign.canary.tenant)
    digest = "(select coalesce(md5(string_agg(t::text, ',' order by t::text)), '') from {} t)"
    parts = [digest.format(name) for name in foreign.rows]
    return str(connection.execute(f"select {' || '.join(parts)}".encode()).fetchone()[0])


def _answer(
    connection: Any, question: Question, given: dict[str, Any], foreign: Planted, before: str
) -> tuple[object, bool]:
    try:
        with connection.transaction(force_rollback=True):
            cursor = connection.execute(question.statement.encode(), given)
            rows = cursor.fetchall() if cursor.description else []
            return rows, bool(before) and state_of(connection, foreign) != before
    except psycopg.Error as error:
        return f"{error} {error.diag.message_detail or ''}", False


def _shown(answer: object, foreign: Canary) -> str:
    if foreign.is_in(answer):
        return "THE CANARY"
    if isinstance(answer, str):
        return f"refused: {answer.splitlines()[0]}"
    rows = [row for row in answer if any(value is not None for value in row)] if isinstance(answer, list) else []
    return f"{len(rows)} rows"


def _argument(name: str, kind: str, asking: Canary, aim: Aim) -> Any:
    known: dict[str, Any] = {
        "tenant": asking.tenant, "tenants": [asking.tenant], "epoch": aim.epoch, "epochs": [aim.epoch],
        "inbox": aim.inbox if kind == "bigint" else [aim.inbox],
    }  # fmt: skip
    if name in known:
        return known[name]
    return NUMBERS[name] if name in NUMBERS and kind in ("integer", "bigint") else sample(name, kind, asking)


def _kinds(connection: Any, statement: str) -> dict[str, str]:
    names = list(dict.fromkeys(_PARAMETER.findall(statement)))
    numbered = _PARAMETER.sub(lambda match: f"${names.index(match[1]) + 1}", statement)
    connection.execute(f"prepare asked as {numbered}".encode())
    [kinds] = connection.execute(
        b"select parameter_types::text[] from pg_prepared_statements where name = 'asked'"
    ).fetchone()
    connection.execute(b"deallocate asked")
    return dict(zip(names, kinds, strict=True))


def _typed(statement: str, kinds: dict[str, str]) -> str:
    return _PARAMETER.sub(lambda match: f"%({match[1]})s::{kinds[match[1]]}", statement.replace("%", "%%"))

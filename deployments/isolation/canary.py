"""Two tenants that are none: a row of each in every table, under the same ids, in a transaction that never commits."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg

from deployments.isolation.columns import Column, Table, tables

# Names rather than contents: the same for both tenants, so that one's question would hit the other's row.
NAMES = frozenset({
    "account", "alias", "app", "channel", "contact", "external_id", "kind", "model", "name", "provider", "role",
    "source_id", "state", "team",
})  # fmt: skip
VECTOR = "[" + ",".join(["1"] * 384) + "]"
# Parameters that must be one of a few words, or a vector, to be asked at all.
TEXTS = {
    "query": VECTOR, "embedding": VECTOR, "role": "employee", "outcome": "answered", "deliverie": "delivered",
    "form": "%s %s",
}  # fmt: skip
# Routing reads these across tenants, whole: what stands there is configuration, its secrets are encrypted.
ROUTED = frozenset({"channels"})
LISTS = frozenset({"files", "said", "memories", "replies", "contacts", "inbox"})
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Canary:
    """One tenant that is none. `said` stands wherever a tenant's own words would."""

    tenant: UUID = field(default_factory=uuid4)
    said: str = field(default_factory=lambda: f"canary-{uuid4().hex}")

    @property
    def traces(self) -> tuple[str, str]:
        """How its words read, as text and as bytes."""
        return self.said, self.said.encode().hex()

    def is_in(self, answer: object) -> bool:
        """Whether an answer shows its words."""
        return any(trace in str(answer) for trace in self.traces)


@dataclass(frozen=True, slots=True)
class Planted:
    """Which tables hold a row of it; `refused` says of the others why not."""

    canary: Canary
    rows: Mapping[str, Row]
    refused: Mapping[str, str]


KEY = "canary-key"
ID = UUID("0badcafe-0000-4000-8000-00000000c0de")


def act_as(connection: Any, tenant: UUID | None) -> None:
    """Be this tenant for what follows in the transaction; None = nobody."""
    connection.execute("select set_config('app.current_tenant', %s, true)", [str(tenant) if tenant else ""])


def plant(connection: Any, canary: Canary) -> Planted:
    """A row in every table that the application may write, parents first."""
    act_as(connection, canary.tenant)
    waiting, rows, refused = dict(tables(connection)), {}, {}
    progress = True
    while waiting and progress:
        progress = False
        for name, table in list(waiting.items()):
            row, refused[name] = _insert(connection, table, canary)
            if row is not None:
                progress = True
                rows[name] = row
                del waiting[name], refused[name]
    return Planted(canary, rows, {name: refused[name] for name in waiting})


def _insert(connection: Any, table: Table, canary: Canary) -> tuple[Row | None, str]:
    """The row, or why there is none. Whole first; what a constraint refuses is tried with what is needed only."""
    why = ""
    for columns in (table.columns, [column for column in table.columns if column.needed]):
        row = {column.name: value for column in columns if (value := value_of(column, canary)) is not None}
        try:
            with connection.transaction():
                connection.execute(insertion(table, row), row)
        except psycopg.Error as error:
            why = f"{error.diag.constraint_name or ''} {error.diag.message_primary}".strip()
        else:
            return row, ""
    return None, why


def insertion(table: Table, row: Row) -> bytes:
    """The statement that inserts such a row."""
    kinds = {column.name: column.kind for column in table.columns}
    names = ", ".join(row)
    values = ", ".join(f"%({name})s::{kinds[name]}" for name in row)
    return f"insert into {table.name} ({names}) values ({values})".encode()  # noqa: S608 - names of the catalogue


def value_of(column: Column, canary: Canary) -> Any:
    """What stands in this column of a canary's row; None = nothing."""
    if column.is_tenant:
        return canary.tenant
    if column.kind == "text":
        if column.choices:
            return column.choices[0]
        if column.table == "tenants" and column.name == "name":
            return f"{KEY}-{canary.tenant}"
        return KEY if column.keyed or column.name in NAMES else canary.said
    if column.has_default and column.kind != "jsonb":
        return None
    if column.table in ROUTED and column.kind == "jsonb":
        return f'{{"canary": "{KEY}"}}'
    return sample(column.name, column.kind, canary)


def sample(name: str, kind: str, canary: Canary) -> Any:
    """A value of this type that names what the canaries have."""
    if kind == "text" and name in TEXTS:
        return TEXTS[name]
    if kind.endswith("[]"):
        inner = sample(name.removesuffix("s"), kind[:-2], canary)
        return None if inner is None else "{" + '"' + str(inner).replace("\\", "\\\\").replace('"', '\\"') + '"}'
    if dimensions := re.fullmatch(r"vector(?:\((\d+)\))?", kind):
        return VECTOR if not dimensions[1] else "[" + ",".join(["1"] * int(dimensions[1])) + "]"
    simple: dict[str, Any] = {
        "uuid": ID, "text": KEY, "boolean": True, "double precision": 1, "numeric": 1, "interval": "0 seconds",
        "bytea": KEY.encode(), "date": "today", "timestamp with time zone": "now",
    }  # fmt: skip
    if kind in ("jsonb", "json"):
        return "[]" if name in LISTS else _document(canary)
    if kind in ("integer", "bigint", "smallint"):
        return 1
    return simple.get(kind)


def _document(canary: Canary) -> str:
    address = {"team": KEY, "channel": KEY, "thread": None, "private": True}
    return json.dumps({"text": canary.said, "contact": KEY, "source_id": KEY, "address": address, "channel": KEY})

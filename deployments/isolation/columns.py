"""The tables of tenants as PostgreSQL knows them: columns, what may stand in them, and what they are keyed by."""

import re
from dataclasses import dataclass
from typing import Any

_CHOICE = re.compile(r"'([^']+)'::text")
COLUMNS = b"""
  select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef,
    exists (select from pg_index i where i.indrelid = c.oid and a.attnum = any (i.indkey))
      or exists (select from pg_constraint k
                 where k.conrelid = c.oid and k.contype = 'f' and a.attnum = any (k.conkey)),
    coalesce((select string_agg(pg_get_constraintdef(k.oid), ' ') from pg_constraint k
              where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum]), '')
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    and a.attidentity = '' and a.attgenerated = ''
    and (c.relname = 'tenants'
      or exists (select from pg_attribute t where t.attrelid = c.oid and t.attname = 'tenant_id'))
  order by c.relname, a.attnum"""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `choices` are the texts that a constraint allows; `keyed`: part of a key or an index."""

    table: str
    name: str
    kind: str
    not_null: bool
    has_default: bool
    keyed: bool
    choices: tuple[str, ...]

    @property
    def is_tenant(self) -> bool:
        """Whether it says whose row it is."""
        return self.name == "tenant_id" or (self.table, self.name) == ("tenants", "id")

    @property
    def needed(self) -> bool:
        """Whether no row can do without."""
        return self.not_null and not self.has_default


@dataclass(frozen=True, slots=True)
class Table:
    """A table of tenants."""

    name: str
    columns: list[Column]


def tables(connection: Any) -> dict[str, Table]:
    """All of them, by name."""
    found: dict[str, Table] = {}
    for table, name, kind, not_null, has_default, keyed, checks in connection.execute(COLUMNS).fetchall():
        choices = tuple(_CHOICE.findall(checks))
        column = Column(table, name, kind, not_null, has_default, keyed, choices)
        found.setdefault(table, Table(table, [])).columns.append(column)
    return found

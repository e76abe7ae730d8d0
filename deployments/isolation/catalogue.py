"""What PostgreSQL's catalogue says of the fences: every query of schema/isolation.sql must find nothing."""

import re
from typing import Any

from deployments.isolation.allowed import DEFINERS, KEYS, WRITERS
from deployments.isolation.trial import Trial
from konstruct.database.pool import SCHEMA

ROLE = "konstruct_app"
ALLOWED = {"definers": DEFINERS, "loose_definers": WRITERS, "global_keys": KEYS}
_NAMED = re.compile(r"-- name: (\w+)\n-- ([^\n]*)\n(.*?)(?=\n-- name:|\Z)", re.DOTALL)


def examine(connection: Any) -> list[Trial]:
    """One trial per query, and one more for each hole that it found."""
    found = _NAMED.findall((SCHEMA / "isolation.sql").read_text())
    return [trial for name, about, statement in found for trial in _ask(connection, name, about, statement)]


def _ask(connection: Any, name: str, about: str, statement: str) -> list[Trial]:
    asked = statement.replace("%", "%%").replace(":role", "%(role)s").encode()
    rows = connection.execute(asked, {"role": ROLE}).fetchall()
    allowed = ALLOWED.get(name, {})
    holes = [(subject, hole) for subject, hole in rows if subject not in allowed]
    if not holes:
        known = f", {len(rows)} known and allowed" if rows else ""
        return [Trial("catalogue", name.replace("_", " "), about, f"nothing{known}")]
    return [Trial("catalogue", subject, about, "a hole", hole) for subject, hole in holes]

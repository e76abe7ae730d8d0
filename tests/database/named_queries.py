"""The named queries as text: (name, description and statement, file)."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
QUERIES = sorted(
    (match[1], match[2].strip(), path.name)
    for path in (ROOT / "schema" / "queries").glob("*.sql")
    for match in re.finditer(r"-- name: (\w+)[\^$!<#*]*[^\n]*\n(.*?)(?=-- name:|\Z)", path.read_text(), re.DOTALL)
)
NAMES = [name for name, _, _ in QUERIES]

"""docs/channels.md promises behaviours by naming their tests: every one of them must exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "channels.md").read_text()


def test_every_test_that_the_table_names_is_there() -> None:
    defined = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    named = set(re.findall(r"`(test_\w+)`", TABLE))
    assert named - defined == set()
    assert len(named) > 50


def test_every_row_says_something_of_every_channel() -> None:
    rows = [row for row in TABLE.splitlines() if row.startswith("|")]
    assert {row.count("|") for row in rows} == {5}
    assert not [row for row in rows if re.search(r"\|\s*\|", row)]

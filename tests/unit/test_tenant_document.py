"""YAML that cannot be used as a tenant file is refused in one sentence, with its place."""

from itertools import pairwise

import pytest

from konstruct.errors import TenantFileInvalid
from konstruct.tenant_file import parse

SMALLEST = "tenant: acme\nemployee: {name: Ada, instructions: Be kind., model: local/smollm2}\n"


def test_a_text_that_looks_like_a_date_is_a_text() -> None:
    for text in ("2026-01-01", "2026-13-45", "2026-01-01T25:00:00Z"):
        assert parse(NAMED.format(text), {}).employee.name == text


NAMED = "tenant: acme\nemployee: {{name: {}, instructions: Be kind., model: local/smollm2}}\n"
PEOPLE = "\n".join(f"{this}: &{this} [{', '.join([f'*{before}'] * 9)}]" for before, this in pairwise("abcdefghij"))
UNUSABLE = {
    "number for a text": (NAMED.format(5), "employee.name", "in quotes"),
    "yes for a text": (NAMED.format("yes"), "employee.name", "in quotes"),
    "nothing for a text": (NAMED.format("~"), "employee.name", "in quotes"),
    "nan for a text": (NAMED.format(".nan"), "employee.name", "in quotes"),
    "nan for a number": (f"{SMALLEST}quiet_seconds: .nan", "quiet_seconds", "less than"),
    "endless number": (NAMED.format("9" * 5_000), "line 2: employee.name", "in quotes"),
    "number that is none": (NAMED.format("!!int x"), "line 2: employee.name", "in quotes"),
    "yes that is none": (NAMED.format("!!bool x"), "line 2: employee.name", "in quotes"),
    "tag": (NAMED.format("!!timestamp x"), "line 2: employee.name", "remove it"),
    "half a character": (NAMED.format(r'"\ud800"'), "employee.name", "unicode"),
    "date as a name": (f"{SMALLEST}2026-01-01: x", "2026-01-01", "not permitted"),
    "number as a name": (f"{SMALLEST}1: x", "line 3: the file", "in quotes"),
    "yes as a name": (f"{SMALLEST}on: x", "line 3: the file", "in quotes"),
    "list as a name": (f"{SMALLEST}? [a]\n: x", "line 3: the file", "in quotes"),
    "one name twice": (NAMED.format("A, name: B"), "line 2: employee", "'name' twice; remove one"),
    "inside itself": (f"{SMALLEST}models: &a [*a]", "line 3: models", "without aliases"),
    "more than there is room for": (f"a: &a [x]\n{PEOPLE}\n{SMALLEST}", "line 1: ", "without aliases"),
    "too deep": (NAMED.format("[" * 3_000 + "]" * 3_000), "nested too deep", "flat"),
    "character that is none": ("a: \x01", "not valid YAML", "character 4"),
    "nothing": ("", "must be a mapping", "tenant: <name>"),
    "list": ("- tenant: acme", "must be a mapping", "tenant: <name>"),
    "two files": (f"{SMALLEST}---\n{SMALLEST}", "not valid YAML", "another document"),
}


@pytest.mark.parametrize("wrong", UNUSABLE)
def test_what_cannot_be_used_is_named_with_its_place_and_what_to_do(wrong: str) -> None:
    text, place, what = UNUSABLE[wrong]
    with pytest.raises(TenantFileInvalid) as said:
        parse(text, {})
    assert place in str(said.value)
    assert what in str(said.value)


def test_an_alias_is_the_entry_that_it_names() -> None:
    same = parse("tenant: &name acme\nemployee: {name: *name, instructions: Be kind., model: local/smollm2}", {})
    assert same.employee.name == same.tenant

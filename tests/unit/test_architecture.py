"""The architecture as the house style fixes it: sizes, the map, the folders, the names."""

import ast
import importlib.util
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.unit.sources import parsed

ROOT = Path(__file__).parents[2]
PACKAGES = ("konstruct", "actors", "deployments", "simulator")
LONGEST_FILE, LONGEST_FUNCTION = 250, 40
# Path -> why it may be longer.
LONG_FILES: dict[str, str] = {}
# "path:function" -> why it may be longer.
LONG_FUNCTIONS: dict[str, str] = {}
# Path -> why it may read one of our variables itself.
READERS = {
    "deployments/cli.py": "whether to show a traceback must be known even where the settings are wrong",
    "deployments/simulated_slack.py": "a simulator may be asked for without any setting",
}
BANNED = re.compile(r"(^|_)(manager|service|helper|helpers|utils|common|handler|base|data|info)(_|$)", re.IGNORECASE)
MAP = ROOT / "ARCHITECTURE.md"
SOURCES = sorted(path for package in (*PACKAGES, "tests") for path in (ROOT / package).rglob("*.py"))
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def definitions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [node for node in ast.walk(parsed(path)) if isinstance(node, kinds)]


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in definitions(path) if not isinstance(node, ast.ClassDef)]


def classes(path: Path) -> list[ast.ClassDef]:
    return [node for node in definitions(path) if isinstance(node, ast.ClassDef)]


def test_no_file_is_longer_than_one_can_read() -> None:
    long = {name(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path for path, lines in long.items() if lines > LONGEST_FILE} == set(LONG_FILES)


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{name(path)}:{function.name}"
        for path in MODULES
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno + 1 > LONGEST_FUNCTION
    }
    assert long == set(LONG_FUNCTIONS)


def test_every_module_says_in_three_lines_at_most_what_it_is() -> None:
    for path in MODULES:
        said = ast.get_docstring(parsed(path))
        assert said, f"{name(path)} has no docstring"
        assert len(said.split("\n\n")[0].splitlines()) <= 3, f"{name(path)} begins with a long docstring"


def test_no_name_says_that_nobody_knew_what_it_was() -> None:
    named = {name(path) for path in MODULES if BANNED.search(path.stem)}
    for path in MODULES:
        named |= {
            f"{name(path)}:{node.name}"
            for node in classes(path)
            if BANNED.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.name))
        }
    assert named == set()


@pytest.fixture(scope="module")
def mapped() -> set[str]:
    if not MAP.exists():
        pytest.skip("ARCHITECTURE.md is not written yet")
    return {
        path.rstrip("/")
        for row in MAP.read_text().splitlines()
        if row.startswith("| `")
        for path in re.findall(r"`([\w./-]+)`", row.split("|")[1])
    }


def test_every_module_has_its_line_in_the_map(mapped: set[str]) -> None:
    def is_mapped(path: Path) -> bool:
        return any(name(place) in mapped for place in (path, *path.parents) if place != ROOT and ROOT in place.parents)

    # A package that only says what belongs into it needs no line of its own.
    needed = [path for path in MODULES if path.name != "__init__.py" or functions_or_classes(path)]
    assert [name(path) for path in needed if not is_mapped(path)] == []


def test_every_line_of_the_map_has_its_module(mapped: set[str]) -> None:
    assert [path for path in sorted(mapped) if not (ROOT / path).exists()] == []


def test_no_package_is_mapped_whole_where_its_modules_are_the_point(mapped: set[str]) -> None:
    assert mapped.isdisjoint({"konstruct", "actors", "deployments", "konstruct/database", "konstruct/channels"})


def test_what_the_map_calls_a_function_exists() -> None:
    if not MAP.exists():
        pytest.skip("ARCHITECTURE.md is not written yet")
    defined = {function.name for path in MODULES for function in functions(path)}
    defined |= {node.name for path in MODULES for node in classes(path)}
    defined |= set(re.findall(r"create function (\w+)", (ROOT / "schema" / "schema.sql").read_text()))
    journey = MAP.read_text().split("## Code map", maxsplit=1)[0]
    named = [word for mark in re.findall(r"`([^`]+)`", journey) for word in [mark.split("/")[-1].split(".")[-1]]]
    modules = {path.stem for path in MODULES}
    unknown = [word for word in named if word not in defined | modules and not (ROOT / word).exists()]
    assert unknown == []


def test_the_schema_folder_holds_no_python() -> None:
    assert list((ROOT / "schema").rglob("*.py")) == []
    assert {path.suffix for path in (ROOT / "schema").rglob("*") if path.is_file()} == {".sql"}


@pytest.mark.parametrize("package", PACKAGES)
def test_our_top_level_names_resolve_inside_the_checkout(package: str) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


def test_settings_are_the_only_readers_of_our_environment() -> None:
    """Elsewhere `KONSTRUCT_…` variables are only written, for the processes that `up` starts."""
    readers = {
        name(path)
        for path in MODULES
        if re.search(r"""(environ(\.get)?|getenv)[\[(]["']KONSTRUCT_""", path.read_text())
    }
    assert readers == set(READERS)


def test_nothing_names_the_machine_it_was_written_on() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for path in tracked.split():
        if (ROOT / path).suffix in {".py", ".md", ".sql", ".yaml", ".toml", ".sh", ""} and (ROOT / path).is_file():
            text = (ROOT / path).read_text(errors="replace")
            assert not re.search(r"/(?:work|home|root)/\w+/", text), f"{path} holds an absolute path of a machine"


def functions_or_classes(path: Path) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) for node in parsed(path).body)

"""Stripe's request bodies: forms whose names say where in a tree their values belong, `items[0][price]`."""

import re
from collections.abc import Iterable
from typing import Any

from simulator.stripe.refusal import Refused

PART = re.compile(r"\[([^\]]*)\]")
MAX_DEPTH = 8


def parse(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the tree; all leaves are texts, numbered branches become lists."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        first, _, rest = name.partition("[")
        path = [first, *PART.findall("[" + rest if rest else "")]
        if len(path) > MAX_DEPTH:
            raise Refused(f"{name} is nested too deeply.")
        _put(tree, path, value)
    return {name: _listed(branch) for name, branch in tree.items()}


def flag(value: Any) -> bool:
    """Return a boolean as forms spell it."""
    return str(value).lower() == "true"


def number(params: dict[str, Any], name: str, default: int | None = None) -> int | None:
    """Return a whole number; raises Refused where it is none."""
    value = params.get(name)
    if value in (None, ""):
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Refused(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name) from None


def required(params: dict[str, Any], name: str) -> Any:
    """Return a parameter; raises Refused where it is missing."""
    if params.get(name) in (None, "", [], {}):
        raise Refused(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return params[name]


def _put(tree: dict[str, Any], path: list[str], value: str) -> None:
    for part in path[:-1]:
        branch = tree.setdefault(part or str(len(tree)), {})
        if not isinstance(branch, dict):
            raise Refused(f"{part} is both a value and an object.")
        tree = branch
    tree[path[-1] or str(len(tree))] = value


def _listed(branch: Any) -> Any:
    if not isinstance(branch, dict):
        return branch
    if branch and all(name.isdigit() for name in branch):
        return [_listed(branch[name]) for name in sorted(branch, key=int)]
    return {name: _listed(value) for name, value in branch.items()}

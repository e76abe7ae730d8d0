"""A tenant file's YAML, read strictly: each name once and a text, dates as the texts they are, nothing without end."""

import re
from typing import Any

import yaml

from konstruct.errors import TenantFileInvalid

# Aliases count as often as they are used.
MAX_ENTRIES = 20_000
MAX_DEPTH = 20

_TAG = "tag:yaml.org,2002:"
_TEXT, _MERGE = f"{_TAG}str", f"{_TAG}merge"
_KNOWN = {_TEXT, _MERGE, *(f"{_TAG}{kind}" for kind in ("map", "seq", "int", "float", "bool", "null"))}

_QUOTED = re.compile(r" '[^'<]{2,}'")


class _Loader(yaml.SafeLoader):
    """Without dates: nothing in the file is one, and a text may look like one."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != f"{_TAG}timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(text: str) -> dict[str, Any]:
    """What the file says; raises TenantFileInvalid that names the line, the entry and what to do."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise TenantFileInvalid("The tenant file must be a mapping that begins with `tenant: <name>`.")
        _Check(loader).entry(node, "")
        content: dict[str, Any] = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise TenantFileInvalid(f"The tenant file is not valid YAML: {_where(error)}.") from None
    except RecursionError:
        raise TenantFileInvalid("The tenant file is nested too deep; write it flat.") from None
    return content


class _Check:
    """Of the nodes, before anything is made of them."""

    def __init__(self, loader: _Loader) -> None:
        self._loader = loader
        self._left = MAX_ENTRIES

    def entry(self, node: Any, place: str, depth: int = 0) -> None:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise _wrong(node, place, "is too much, too deep, or inside itself; write it without aliases (`*name`)")
        if node.tag not in _KNOWN:
            raise _wrong(node, place, "has a tag, which means nothing here; remove it")
        match node:
            case yaml.MappingNode():
                self._mapping(node, place, depth)
            case yaml.SequenceNode():
                for number, inner in enumerate(node.value):
                    self.entry(inner, f"{place}[{number}]", depth + 1)
            case _:
                self._scalar(node, place)

    def _mapping(self, node: Any, place: str, depth: int) -> None:
        keys = set[str]()
        for key, inner in node.value:
            if key.tag not in (_TEXT, _MERGE):
                raise _wrong(key, place, "has a name that is no text; write it in quotes")
            if key.value in keys:
                raise _wrong(key, place, f"has {key.value[:80]!r} twice; remove one")
            keys.add(key.value)
            self.entry(inner, f"{place}.{key.value}".lstrip("."), depth + 1)

    def _scalar(self, node: Any, place: str) -> None:
        try:
            self._loader.construct_object(node)
        except (ValueError, LookupError):
            raise _wrong(node, place, "is no number or yes or no that can be read; write a text in quotes") from None


def _where(error: yaml.YAMLError) -> str:
    """Where it is, and what is wrong. Nothing of the source, also no word: it may be a secret."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"character {getattr(error, 'position', 0) + 1} is none that YAML allows"
    problem = _QUOTED.sub("", str(getattr(error, "problem", "")))
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"


def _wrong(node: Any, place: str, what: str) -> TenantFileInvalid:
    line = node.start_mark.line + 1
    return TenantFileInvalid(f"The tenant file cannot be used: line {line}: {place or 'the file'} {what}.")

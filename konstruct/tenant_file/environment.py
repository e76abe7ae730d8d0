"""`${NAME}` in a tenant file reads the environment."""

import re
from collections.abc import Mapping
from typing import Any

from konstruct.errors import TenantFileInvalid

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def filled(value: Any, environment: Mapping[str, str]) -> Any:
    """The value with every `${NAME}` in it replaced; raises TenantFileInvalid that names all that are not set."""
    missing: dict[str, str] = {}
    found = _filled(value, environment, "", missing)
    if missing:
        # All of them: who is told of one at a time tries as often as there are variables.
        needed = [f"{place} needs the environment variable {name}" for name, place in missing.items()]
        is_not = "which is not set" if len(needed) == 1 else "none of which is set"
        raise TenantFileInvalid(f"{'; '.join(needed)}, {is_not}.")
    return found


def _filled(value: Any, environment: Mapping[str, str], place: str, missing: dict[str, str]) -> Any:
    """`missing`: what is not set, and where it is needed first."""
    if isinstance(value, dict):
        return {key: _filled(inner, environment, f"{place}.{key}".lstrip("."), missing) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, environment, f"{place}[{n}]", missing) for n, inner in enumerate(value)]
    if not isinstance(value, str):
        return value

    def look_up(match: re.Match[str]) -> str:
        if match[1] not in environment:
            missing.setdefault(match[1], place)
        return environment.get(match[1], "")

    return _VARIABLE.sub(look_up, value)

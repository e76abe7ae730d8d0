"""`${NAME}` in a tenant file reads the environment."""

import re
from collections.abc import Mapping
from typing import Any

from konstruct.errors import TenantFileInvalid

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def filled(value: Any, environment: Mapping[str, str], place: str) -> Any:
    """The value with every `${NAME}` in it replaced; raises TenantFileInvalid for a variable that is not set."""
    if isinstance(value, dict):
        return {key: filled(inner, environment, f"{place}.{key}".lstrip(".")) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, environment, f"{place}[{n}]") for n, inner in enumerate(value)]
    if not isinstance(value, str):
        return value

    def look_up(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise TenantFileInvalid(f"{place} needs the environment variable {match[1]}, which is not set.")
        return environment[match[1]]

    return _VARIABLE.sub(look_up, value)

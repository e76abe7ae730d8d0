"""What a command knows of the installation that it is about. Loads what it needs when it is asked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from konstruct.settings import Settings

# For what reads or changes everything that a tenant has, or all of them.
WHOLE_SECONDS = 3_600.0


def environment() -> dict[str, str]:
    """This process' environment, completed by what the installation runs with."""
    from deployments.installation.running import known_environment  # noqa: PLC0415

    return known_environment(os.environ)


def settings() -> "Settings":
    """The settings in it; raises SettingsInvalid."""
    from konstruct.settings import Settings  # noqa: PLC0415

    return Settings.from_environment(environment())


def ask(method: str, *path: str, body: object = None, seconds: float | None = None, **query: str) -> Any:
    """What the operators' API answers; `path` in segments, each as it is meant.

    `seconds`: within which it answers, if not the usual; `query`: what is empty is not asked. Raises UnknownTenant
    where what is not found is of a tenant that there is not, else Refused, or NotReachable.
    """
    import asyncio  # noqa: PLC0415

    from deployments.installation.api import ApiClient  # noqa: PLC0415

    with _tenant_in(path):
        return asyncio.run(ApiClient(environment()).ask(method, _place(path, query), body, seconds=seconds))


def pages(method: str, *path: str, seconds: float | None = None, **query: str) -> Iterator[Any]:
    """The items of every page that the operators' API has. Raises as `ask` does."""
    cursor = ""
    while cursor is not None:
        page = ask(method, *path, seconds=seconds, cursor=cursor, **query)
        yield from page["items"]
        cursor = page["next_cursor"]


def download(file: Path, *path: str, **query: str) -> None:
    """Write what the operators' API answers into a file, which is there whole or not at all. Raises as `ask` does."""
    import asyncio  # noqa: PLC0415

    from deployments.installation.api import ApiClient  # noqa: PLC0415

    with _tenant_in(path):
        asyncio.run(ApiClient(environment()).download(_place(path, query), file, WHOLE_SECONDS))


@contextmanager
def _tenant_in(path: tuple[str, ...]) -> Iterator[None]:
    """See `ask`; the API itself says of everything that is not there, or not yours, the same."""
    from deployments.installation.api import Refused  # noqa: PLC0415
    from konstruct.errors import UnknownTenant  # noqa: PLC0415

    try:
        yield
    except Refused as refused:
        name = path[1] if path[0] == "tenants" and len(path) > 1 else None
        if refused.status != 404 or name is None or name in _tenants():
            raise
        raise UnknownTenant(f"There is no tenant {name}; `konstruct status` lists those that there are.") from None


def _tenants() -> set[str]:
    return {tenant["name"] for tenant in pages("GET", "tenants", limit="200")}


def _place(path: tuple[str, ...], query: dict[str, str]) -> str:
    from urllib.parse import urlencode  # noqa: PLC0415

    from deployments.installation.api import segment  # noqa: PLC0415

    asked = urlencode({name: value for name, value in query.items() if value})
    return "".join(f"/{segment(part)}" for part in path) + (f"?{asked}" if asked else "")

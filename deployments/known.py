"""What a command knows of the installation that it is about. Loads what it needs when it is asked."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from konstruct.settings import Settings


def environment() -> dict[str, str]:
    """This process' environment, completed by what the installation runs with."""
    from deployments.installation.running import known_environment  # noqa: PLC0415

    return known_environment(os.environ)


def settings() -> "Settings":
    """The settings in it; raises SettingsInvalid."""
    from konstruct.settings import Settings  # noqa: PLC0415

    return Settings.from_environment(environment())


def ask(method: str, *path: str, body: object = None, **query: str) -> Any:
    """What the operators' API answers; `path` in segments, each as it is meant. Raises Refused or NotReachable.

    `query`: what is empty is not asked.
    """
    import asyncio  # noqa: PLC0415
    from urllib.parse import urlencode  # noqa: PLC0415

    from deployments.installation.api import ApiClient, segment  # noqa: PLC0415

    asked = urlencode({name: value for name, value in query.items() if value})
    place = "".join(f"/{segment(part)}" for part in path) + (f"?{asked}" if asked else "")
    return asyncio.run(ApiClient(environment()).ask(method, place, body))

"""`konstruct down`: ends everything of the installation, whatever state it is in. Stored data stays."""

import asyncio
from collections.abc import Mapping

from deployments.installation import postgres, processes, ray_head, running
from deployments.installation.steps import Steps
from deployments.installation.tenants import open_database
from konstruct.database import hosting
from konstruct.errors import KonstructError
from konstruct.settings import Settings


class StillRunning(KonstructError):
    """Some processes could not be ended."""


def down(given: Mapping[str, str], steps: Steps) -> int:
    """End it; answers how many processes there were. Raises StillRunning, naming them, if some remain."""
    layout = running.layout_of(given)
    database = postgres.tree(layout.pgdata)
    count = len(database)
    if processes.find(layout):
        with steps.step("Ray and Serve") as tell:
            ended = processes.end_all(layout, spare=database)
            tell(f"{processes.counted(ended)} ended" + _left_in_order(given))
        count += ended
    if database:
        with steps.step("PostgreSQL"):
            postgres.stop(layout.pgdata)
    if left := processes.find(layout):
        named = ", ".join(processes.describe(process) for process in left)
        raise StillRunning(f"Still running after being killed: {named}; look at them with ps.")
    running.forget(layout)
    ray_head.clear(layout)
    return count


def _left_in_order(given: Mapping[str, str]) -> str:
    """Hosts were ended on purpose: what waits met no crash. Answers what to say if that cannot be kept."""
    try:
        settings = Settings.from_environment(running.known_environment(given))
        if settings.database_url is not None:
            asyncio.run(_leave(settings))
    except KonstructError as error:
        return f"; what waits counts as met by a crash, which PostgreSQL could not be told: {error}"
    return ""


async def _leave(settings: Settings) -> None:
    async with open_database(settings) as database:
        await hosting.leave_all(database)

"""`konstruct scale`: ask the Supervisor for another size, and wait until it has done so."""

import asyncio
from collections.abc import Mapping

from rich.console import Console

from deployments.installation.tenants import open_database
from konstruct.database import hosting
from konstruct.errors import KonstructError
from konstruct.settings import Settings

LOOK_SECONDS = 0.25


class NotScaled(KonstructError):
    """The Supervisor has not finished in time."""


async def scale_hosts(environment: Mapping[str, str], hosts: int, patience: float, console: Console) -> None:
    """Want `hosts` conversation hosts, and wait up to `patience` seconds; raises NotScaled."""
    async with open_database(Settings.from_environment(environment)) as database:
        before = await hosting.read(database)
        await hosting.want(database, hosts)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        with console.status(f"From {before.hosts} to {hosts} conversation hosts"):
            while (now := await hosting.read(database)).hosts != hosts:
                if loop.time() > deadline:
                    raise NotScaled(
                        f"There are still {now.hosts} hosts after {patience:.0f} s, not {hosts}; "
                        "the wish stays recorded, and `konstruct status` shows whether the Supervisor runs."
                    )
                await asyncio.sleep(LOOK_SECONDS)
    console.print(f"{hosts} conversation hosts (before: {before.hosts}).")

"""`konstruct scale`: ask the Supervisor for another size, and wait until it has done so."""

import asyncio
from collections.abc import Mapping

from rich.console import Console

from deployments.installation.api import ApiClient
from konstruct.errors import KonstructError

LOOK_SECONDS = 0.25


class NotScaled(KonstructError):
    """The Supervisor has not finished in time."""


async def scale_hosts(environment: Mapping[str, str], hosts: int, patience: float, console: Console) -> None:
    """Want `hosts` conversation hosts, and wait up to `patience` seconds; raises NotScaled."""
    api = ApiClient(environment)
    before = await api.ask("PUT", "/installation/hosts", {"wanted": hosts})
    deadline = asyncio.get_running_loop().time() + patience
    with console.status(f"From {before['hosts']} to {hosts} conversation hosts"):
        while (now := (await api.ask("GET", "/installation"))["hosts"]["hosts"]) != hosts:
            if asyncio.get_running_loop().time() > deadline:
                raise NotScaled(
                    f"There are still {now} hosts after {patience:.0f} s, not {hosts}; "
                    "the wish stays recorded, and `konstruct status` shows whether the Supervisor runs."
                )
            await asyncio.sleep(LOOK_SECONDS)
    console.print(f"{hosts} conversation hosts (before: {before['hosts']}).")

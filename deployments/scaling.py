"""`konstruct scale`: ask the Supervisor for another size, and wait until conversations are shared out anew."""

import asyncio
from collections.abc import Mapping

from rich.console import Console

from deployments.installation.api import ApiClient
from konstruct.errors import KonstructError

LOOK_SECONDS = 0.25


class NotScaled(KonstructError):
    """The Supervisor has not finished in time."""


async def scale_hosts(environment: Mapping[str, str], hosts: int, patience: float, console: Console) -> None:
    """Want `hosts` conversation hosts, and wait up to `patience` seconds until they are recorded; raises NotScaled."""
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
    starting = "new ones start now, and /readyz shows when all are up; " if hosts > before["hosts"] else ""
    console.print(
        f"Conversations are shared out among {hosts} hosts (before: {before['hosts']}): {starting}"
        "this number holds from now on, whatever KONSTRUCT_CONVERSATION_HOSTS says."
    )

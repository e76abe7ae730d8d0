"""`konstruct down`: ends everything of the installation, whatever state it is in. Stored data stays."""

import shutil
from collections.abc import Mapping

from deployments.installation import postgres, processes, running
from deployments.installation.steps import Steps
from konstruct.errors import KonstructError


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
            tell(f"{ended} processes ended")
        count += ended
    if database:
        with steps.step("PostgreSQL"):
            postgres.stop(layout.pgdata)
    if left := processes.find(layout):
        named = ", ".join(processes.describe(process) for process in left)
        raise StillRunning(f"Still running after being killed: {named}; look at them with ps.")
    running.forget(layout)
    shutil.rmtree(layout.ray, ignore_errors=True)
    return count

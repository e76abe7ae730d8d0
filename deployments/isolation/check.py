"""The whole check of an installation, and how it is printed."""

import asyncio
from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.installation import running
from deployments.installation.running import Running
from deployments.installation.tenants import open_database
from deployments.isolation import cluster, live, traces
from deployments.isolation.canary import Canary
from deployments.isolation.nightly import check_stored, log_folders
from deployments.isolation.trial import Trial, holes
from konstruct.database import isolation_checks
from konstruct.settings import Settings


def check(environment: Mapping[str, str]) -> list[Trial]:
    """Everything that can be tried from here; raises KonstructError where it cannot be."""
    layout = running.layout_of(environment)
    found = running.recall(layout)
    if found is None:
        return check_stored(environment)
    settings = Settings.from_environment(environment)
    canaries = (Canary(), Canary())
    trials = asyncio.run(_live(settings, found, canaries))
    names = [trial.subject for trial in trials if trial.area == "erasure"]
    words = [trace for canary in canaries for trace in canary.traces]
    trials += cluster.examine(found.dashboard_port, running.token(layout), [*names, *words])
    return check_stored(environment) + trials + traces.search(log_folders(layout), words)


async def _live(settings: Settings, found: Running, canaries: tuple[Canary, Canary]) -> list[Trial]:
    async with open_database(settings) as database:
        return await live.examine(settings, database, f"http://{found.http_host}:{found.http_port}", canaries)


async def record(environment: Mapping[str, str], trials: list[Trial]) -> None:
    """Remember it, as of every night."""
    async with open_database(Settings.from_environment(environment)) as database:
        await isolation_checks.record(database, len(trials), holes(trials))


def show(trials: list[Trial], console: Console) -> bool:
    """Print what was tried and seen; answers whether there is no hole."""
    table = Table("what", "opened", "tried", "saw", title="Opened as another tenant and as nobody")
    for trial in trials:
        colour = "red" if trial.hole else "default"
        table.add_row(trial.area, escape(trial.subject), escape(trial.tried), f"[{colour}]{escape(trial.saw)}[/]")
    console.print(table)
    found = holes(trials)
    for hole in found:
        console.print(f"[red]✗[/] {escape(hole)}")
    many = f"{len(found)} hole{'s' if len(found) > 1 else ''}"
    console.print(f"{len(trials)} things tried: {many if found else 'zero rows, zero bytes'}.")
    return not found

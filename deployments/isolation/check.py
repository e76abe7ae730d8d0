"""The whole check of an installation, and how it is printed."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.installation import running
from deployments.installation.layout import Layout
from deployments.installation.running import Running
from deployments.installation.tenants import open_database
from deployments.isolation import cluster, live, stored, traces
from deployments.isolation.canary import Canary
from deployments.isolation.trial import Trial, holes
from konstruct.errors import SettingsInvalid
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


def check_stored(environment: Mapping[str, str]) -> list[Trial]:
    """The database and the logs only: what may be done every night, for nobody sees any of it."""
    settings = Settings.from_environment(environment)
    if settings.database_url is None:
        raise SettingsInvalid("No database is known yet; run `konstruct up`, or set KONSTRUCT_DATABASE_URL.")
    canaries = (Canary(), Canary())
    trials = stored.examine(settings.database_url, canaries)
    words = [trace for canary in canaries for trace in canary.traces]
    return trials + traces.search(log_folders(Layout(settings.home)), words)


def log_folders(layout: Layout) -> list[Path]:
    """Where this installation writes what happened."""
    places = [layout.log, layout.pgdata / "log", layout.ray / "session_latest" / "logs"]
    return [place for place in places if place.exists()]


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

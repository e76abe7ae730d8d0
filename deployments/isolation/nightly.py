"""The part of the check that may run every night: the database and the logs, of which nobody sees anything."""

from collections.abc import Mapping
from pathlib import Path

from deployments.installation.layout import Layout
from deployments.installation.running import absence
from deployments.isolation import stored, traces
from deployments.isolation.canary import Canary
from deployments.isolation.trial import Trial
from konstruct.errors import SettingsInvalid
from konstruct.settings import Settings


def check_stored(environment: Mapping[str, str]) -> list[Trial]:
    """Every trial of the database and the logs; raises KonstructError where they cannot be made."""
    settings = Settings.from_environment(environment)
    if settings.database_url is None:
        raise SettingsInvalid(absence(Layout(settings.home), "KONSTRUCT_DATABASE_URL"))
    canaries = (Canary(), Canary())
    trials = stored.examine(settings.database_url, canaries)
    words = [trace for canary in canaries for trace in canary.traces]
    return trials + traces.search(log_folders(Layout(settings.home)), words)


def log_folders(layout: Layout) -> list[Path]:
    """Where this installation writes what happened."""
    places = [layout.log, layout.pgdata / "log", layout.logs]
    return [place for place in places if place.exists()]

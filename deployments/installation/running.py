"""What `up` last deployed, kept in the installation's home so that every other command finds it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deployments.installation import keys
from deployments.installation.layout import Layout
from deployments.installation.serve_apps import Serve
from konstruct.settings import Settings


@dataclass(frozen=True, slots=True)
class Running:
    """The environment of what runs (secrets as files only), and where it listens."""

    environment: dict[str, str]
    http_host: str
    http_port: int
    dashboard_port: int
    local_model: bool
    serve_config: str | None = None
    seconds: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def version(self) -> str:
        """Hash of the sources that run."""
        return self.environment["KONSTRUCT_VERSION_HASH"]


def remember(layout: Layout, running: Running) -> None:
    """Keep it for the commands that come."""
    draft = layout.running_file.with_suffix(".new")
    draft.write_text(json.dumps(asdict(running), indent=1))
    draft.replace(layout.running_file)


def recall(layout: Layout) -> Running | None:
    """What `up` deployed last, None if it never did or `down` came since."""
    try:
        return Running(**json.loads(layout.running_file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def forget(layout: Layout) -> None:
    """Nothing runs any more."""
    layout.running_file.unlink(missing_ok=True)


def absence(layout: Layout, variable: str) -> str:
    """Why a command does not find what only a running installation tells, and what to do; `variable` would tell it."""
    if not keys.ray_token(layout).exists():
        return (
            f"Nothing was ever brought up in {layout.home} (KONSTRUCT_HOME): `konstruct up` does so. "
            f"For an installation elsewhere set {variable}."
        )
    # New keys or another database, taken by whoever believes that there are none, lock out of what is stored.
    if keys.master_keys(layout).exists() and layout.pgdata.exists():
        return (
            f"Konstruct is down; its master keys and database are in {layout.home}. "
            "`konstruct up` starts it; give it the KONSTRUCT_ settings that it had."
        )
    return (
        f"Konstruct is down, and not all that it ran with is in {layout.home}. `konstruct up` starts it; give it the "
        "KONSTRUCT_ settings that it had, KONSTRUCT_DATABASE_URL and KONSTRUCT_MASTER_KEYS among them: what is not "
        "given begins anew, with an empty database or another key."
    )


def layout_of(given: Mapping[str, str]) -> Layout:
    """The installation that an environment means, whatever its other settings are worth."""
    return Layout(Settings.from_environment({"KONSTRUCT_HOME": given.get("KONSTRUCT_HOME", "")}).home)


def known_environment(given: Mapping[str, str]) -> dict[str, str]:
    """`given`, completed by what the installation in its KONSTRUCT_HOME runs with."""
    running = recall(layout_of(given))
    known = {} if running is None else running.environment
    ours = {name: value for name, value in known.items() if name.startswith("KONSTRUCT_")}
    overruled = {f"{name}_FILE" for name in given}
    return {name: value for name, value in ours.items() if name not in overruled} | dict(given)


def serve(layout: Layout, dashboard_port: int) -> Serve:
    """Ray Serve of this installation."""
    return Serve(dashboard_port, token(layout))


def token(layout: Layout) -> str:
    """Ray's token, empty before the first `up`."""
    path: Path = keys.ray_token(layout)
    return path.read_text().strip() if path.exists() else ""
